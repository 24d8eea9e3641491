"""Files that tables are read from, and what a benchmark asks of their columns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nas_search.errors import InputError
from nas_search.frames import read_frame
from nas_search.space.package_data import suggestion

if TYPE_CHECKING:
    from nas_search.search.simulation.search_table import SearchTable


class TableColumns(NamedTuple):
    """Names of a table's columns; ``features`` describe rows to models of the loss, in place of genes."""

    genes: tuple[str, ...]
    loss: str
    latency: str
    cost: str | None = None
    features: tuple[str, ...] = ()


def read_search_table(path: Path, columns: TableColumns) -> SearchTable:
    """The table of a parquet or CSV file: one row for each architecture.

    Raises InputError if the file cannot be read, lacks a column, or holds something that is no table to search in.
    """
    from nas_search.search.simulation.search_table import SearchTable

    rows = read_frame(path)
    if rows.empty:
        raise InputError(f"{path}: a table without rows")
    names = tuple(map(str, rows.columns))
    genes, loss, latency, cost, features = columns
    asked = (*genes, loss, latency, *([] if cost is None else [cost]))
    for column in (*asked, *features):
        if column not in names:
            raise InputError(f"{path}: there is no column '{column}': {suggestion(column, names)}")
        if asked.count(column) > 1:
            raise InputError(f"{path}: column '{column}': asked for twice; genes, loss, latency and cost all differ")
    table = SearchTable.of(rows, genes, loss=loss, latency=latency, cost=cost, features=features, name=str(path))
    if not np.isfinite(table.losses).all():
        raise InputError(f"{path}: column '{loss}': row {int(np.isfinite(table.losses[:, 0]).argmin())} has no number")
    return table
