"""Targets that are tables: of latencies (parquet), of architectures to search in and of losses (CSV and parquet)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from mutation import mutated_bytes, mutated_lines, mutated_text, mutated_tree, nasty_value
from target import Case, Target

SEEDS = Path(__file__).parent / "seeds"
SEARCH_TABLE = "width,depth,mixer,loss,ms,cost,feature\n" + "".join(
    f"{width},{depth},{mixer},{4 - depth / 9 - width / 999:.3f},{depth * width / 640:.3f},{depth},{width * depth}\n"
    for width in (64, 128)
    for depth in (2, 4)
    for mixer in ("a", "m2")
)
LAW_TABLE = "depth,width,tokens,loss,latency_ms\n" + "".join(
    f"{depth},{width},{tokens},{2 + 3 / depth + 20 / width + 99 / tokens**0.5:.4f},{depth * width / 999:.3f}\n"
    for depth in (2, 4, 8)
    for width in (64, 128, 256)
    for tokens in (1000, 3000, 9000)
)


def _latency_table(folder: Path) -> Case:
    from nas_search.profiler.parquet import write_rows
    from nas_search.profiler.table import LatencyTable
    from nas_search.profiler.table_file import METADATA_KEY, SCHEMA, read_cells
    from nas_search.profiler.workload import Workload
    from nas_search.space.architecture import Architecture

    seed, file = SEEDS / "run" / "table.parquet", folder / "table.parquet"
    whole, (cells, metadata) = seed.read_bytes(), read_cells(seed)
    rows = [[*cell.key, *cell[1:]] for cell in cells]
    valid = LatencyTable.load(seed)
    networks = [Architecture.parse("w64 a f m2 f"), Architecture.parse("w128 (d f)x3")]
    workloads = [Workload.parse(text) for text in ("decode:64", "memory:256", "generate:64,prompt=8", "throughput:64")]

    def draw(rng: Random) -> bytes:
        if rng.random() < 0.6:
            return mutated_bytes(whole, rng)
        return _structured(rng)

    def _structured(rng: Random) -> bytes:
        """A whole file with other contents; mostly with the hash that they have."""
        info, changed = metadata["info"], rows
        if rng.random() < 0.6:
            info = mutated_tree(info, rng)
        if rng.random() < 0.6:
            changed = [list(row) for row in rng.sample(rows, rng.choice((len(rows), len(rows), 3, 0)))]
            for row in rng.sample(changed, min(len(changed), 3)):
                place = rng.randrange(len(row))
                row[place] = _fitting(SCHEMA.field(place).type, row[place], rng)
        content = json.dumps({"info": info, "cells": changed}, sort_keys=True)
        found = {"info": info, "hash": hashlib.sha256(content.encode()).hexdigest()}
        found = mutated_tree(found, rng) if rng.random() < 0.1 else found
        columns = [[row[place] for row in changed] for place in range(len(SCHEMA))]
        write_rows(columns, SCHEMA, {METADATA_KEY: found}, file)
        return file.read_bytes()

    def read(data: bytes) -> None:
        file.write_bytes(data)
        table = LatencyTable.load(file)
        for workload in workloads:
            _allowing_input_errors(_predicting(table, networks, workload))
        _allowing_input_errors(lambda: LatencyTable.merge(valid, table))

    return Case(draw, read)


def _predicting(table: Any, networks: list[Any], workload: Any) -> Callable[[], Any]:
    return lambda: (table.predict_many(networks, workload), table.check(workload))


def _allowing_input_errors(read: Callable[[], Any]) -> None:
    from nas_search.errors import InputError

    try:
        read()
    except InputError:
        return


def _fitting(kind: Any, value: Any, rng: Random) -> Any:
    """A value that the column can hold."""
    import pyarrow as pa

    for _ in range(9):
        other = nasty_value(rng)
        try:
            pa.array([other], kind)
            if other is not None:
                return other
        except (pa.ArrowException, OverflowError, ValueError, TypeError):
            continue
    return value


def _frame_case(text: str, folder: Path, name: str, read: Callable[[Path], Any]) -> Case:
    """A CSV table, or now and then the same as damaged parquet."""
    import io

    import pandas as pd

    rows = pd.read_csv(io.StringIO(text))
    parquet = rows.to_parquet()
    csv_file, parquet_file = folder / f"{name}.csv", folder / f"{name}.parquet"

    def draw(rng: Random) -> bytes:
        change = rng.random()
        if change < 0.15:
            return mutated_bytes(parquet, rng)
        if change < 0.5:
            return mutated_lines(text, rng).encode("utf-8", "surrogatepass")
        if change < 0.6:
            return mutated_bytes(text.encode(), rng)
        return mutated_text(text, rng, ("width", "loss", ",", "\n", '"', "1e400", "9" * 400)).encode(
            "utf-8", "surrogatepass"
        )

    def reading(data: bytes) -> None:
        file = parquet_file if data[:4] == b"PAR1" else csv_file
        file.write_bytes(data)
        read(file)

    return Case(draw, reading)


def _search_table(folder: Path) -> Case:
    from nas_search.search.bench.table_file import TableColumns, read_search_table

    columns = TableColumns(("width", "depth", "mixer"), "loss", "ms", "cost", ("feature",))

    def read(file: Path) -> None:
        table = read_search_table(file, columns)
        table.problem(2.0), table.seconds

    return _frame_case(SEARCH_TABLE, folder, "search", read)


def _law_table(folder: Path) -> Case:
    from nas_search.proxies.law_identity import require_identified, varying
    from nas_search.proxies.law_points import read_points

    def read(file: Path) -> None:
        points = read_points(file)
        require_identified(points, varying(points))

    return _frame_case(LAW_TABLE, folder, "law", read)


TARGETS = (
    Target("latency-table", "a latency table's parquet", 25, _latency_table),
    Target("search-table", "a table of architectures", 10, _search_table),
    Target("law-table", "a table of losses", 15, _law_table),
)
