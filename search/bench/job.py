"""What a worker process does for a benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from nas_search.search.bench.replay import replay
from nas_search.search.bench.table_file import TableColumns, read_search_table
from nas_search.search.jobs import JsonObject, Progress
from nas_search.search.simulation.search_table import SearchTable


def run_replay(arguments: Mapping[str, Any], folder: Path, progress: Progress) -> JsonObject:
    """The replay that :meth:`BenchSetting.jobs` describes, as JSON."""
    columns = TableColumns(
        genes=tuple(arguments["genes"]),
        loss=arguments["loss"],
        latency=arguments["latency"],
        cost=arguments["cost"],
        features=tuple(arguments["features"]),
    )
    found = replay(
        _table(folder / arguments["table"], columns),
        arguments["sampler"],
        trials=arguments["trials"],
        seed=arguments["seed"],
        workers=arguments["workers"],
        progress=progress,
    )
    return found.model_dump(mode="json")


@cache
def _table(path: Path, columns: TableColumns) -> SearchTable:
    """Read once by each process."""
    return read_search_table(path, columns)
