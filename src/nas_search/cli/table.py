"""``nas-search table`` and ``nas-search devices``: what operators cost, where."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from nas_search.cli.console import Json, print_json, stderr, stdout
from nas_search.cli.progress import progress_bar
from nas_search.errors import InputError

if TYPE_CHECKING:
    from nas_search.profiler.table import LatencyTable

CHECK_NETWORKS = 20

_TablePath = Annotated[Path, typer.Argument(metavar="TABLE", help="A table file (.parquet).")]
_Space = Annotated[str, typer.Option(help="Search space: a name or a YAML file.")]
_Device = Annotated[str, typer.Option(help="Where to measure.")]
_Seed = Annotated[int, typer.Option(help="Seed of networks, weights and tokens.", min=0, max=2**32 - 1)]
_Networks = Annotated[int, typer.Option(help="Random networks, not seen in calibration, to check on.", min=4)]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    tables = typer.Typer(help="Record, show and check latency tables.", no_args_is_help=False, rich_markup_mode=None)
    tables.command()(record)
    tables.command()(show)
    tables.command()(check)
    app.add_typer(tables, name="table")
    app.command()(devices)


def record(
    out: Annotated[Path, typer.Option(help="Where to write the table.")],
    space: _Space = "cpu",
    device: _Device = "cpu",
    workload: Annotated[
        list[str] | None, typer.Option(help="As for the search; give it again for more (default: decode:256).")
    ] = None,
    networks: _Networks = CHECK_NETWORKS,
    seed: _Seed = 0,
    json: Json = False,
) -> None:
    """Time every operator of a space at every width, calibrate, and check on whole networks."""
    from nas_search.profiler.device import resolve_device
    from nas_search.profiler.workload import Workload
    from nas_search.space.search_space import load_space

    members, place = load_space(space), resolve_device(device)
    questions = [Workload.parse(text) for text in workload or ["decode:256"]]
    if not out.parent.is_dir():
        raise InputError(f"--out {out}: there is no folder {out.parent}")
    from nas_search.profiler.record import CALIBRATION_NETWORKS, record_table

    with progress_bar(stderr(), "timing") as report:
        table = record_table(
            members.operator_specs(),
            members.widths,
            members.tokens,
            questions,
            place,
            seed=seed,
            sample=members.sample_architectures(CALIBRATION_NETWORKS + networks, seed=seed),
            meta_tokens=members.meta_tokens,
            progress=report,
        )
    table.save(out)
    _show(table, json=json)


def show(table: _TablePath, json: Json = False) -> None:
    """Print a table: device, calibration, check and the cost of every operator."""
    from nas_search.profiler.table import LatencyTable

    _show(LatencyTable.load(table), json=json)


def check(
    table: _TablePath, space: _Space = "cpu", networks: _Networks = CHECK_NETWORKS, seed: _Seed = 1, json: Json = False
) -> None:
    """Measure random networks of a space, each twice, and compare them with the table."""
    from nas_search.profiler.device import resolve_device
    from nas_search.profiler.record import check_table
    from nas_search.profiler.table import LatencyTable
    from nas_search.profiler.workload import Workload
    from nas_search.space.search_space import load_space

    loaded, members = LatencyTable.load(table), load_space(space)
    loaded.require_device(resolve_device(loaded.device.name))
    sample = members.sample_architectures(networks, seed=seed)
    document = {}
    for text in loaded.info.workloads:
        with progress_bar(stderr(), f"measuring {text}") as report:
            result = check_table(loaded, Workload.parse(text), sample, seed=seed, progress=report)
        document[text] = result.model_dump(mode="json")
        if not json:
            stdout().print(f"{text}: {result.summary()}", markup=False)
    if json:
        print_json(document)


def _show(table: "LatencyTable", *, json: bool) -> None:
    if json:
        cells = [{**cell.key._asdict(), "latency_ms": cell.latency_ms} for cell in table.cells]
        print_json({"hash": table.hash, **table.info.model_dump(mode="json"), "cells": cells})
        return
    console = stdout()
    console.print(f"{table.device.description}, {table.clock} clock, hash {table.hash[:16]}", markup=False)
    for text, found in table.info.workloads.items():
        console.print(f"{text}: {found.check.summary() if found.check else 'not checked'}", markup=False)
    console.print(_costs(table))


def _costs(table: "LatencyTable") -> Table:
    """Milliseconds by operator or term (rows) and width (columns); terms of all widths have a column of their own."""
    from nas_search.profiler.cells import ALL_WIDTHS

    widths = sorted({cell.key.width for cell in table.cells})
    headers = ("all widths" if width == ALL_WIDTHS else f"w{width}" for width in widths)
    costs = Table("ms", "phase", *headers, box=None, pad_edge=False)
    by_row: dict[tuple[str, str], dict[int, float]] = {}
    for cell in table.cells:
        key = cell.key
        by_row.setdefault((key.operator, f"{key.phase}:{key.context}"), {})[key.width] = cell.latency_ms
    for (operator, phase), row in by_row.items():
        costs.add_row(Text(operator), phase, *(f"{row[width]:.4f}" if width in row else "" for width in widths))
    return costs


def devices(json: Json = False) -> None:
    """List where latency can be measured on this machine."""
    from nas_search.profiler.device import list_devices

    found = list_devices()
    if json:
        print_json({"devices": [{"id": device.id, **device.model_dump(mode="json")} for device in found]})
        return
    for device in found:
        stdout().print(f"{device.description}  [{device.id}]", markup=False)
