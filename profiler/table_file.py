"""A latency table as one parquet file: cells as rows, everything else as JSON in the schema's metadata."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from nas_search.profiler.cells import Cell, CellKey
from nas_search.profiler.parquet import read_rows, write_rows

METADATA_KEY = b"nas_search.latency_table"
SCHEMA = pa.schema(
    [
        ("operator", pa.string()),
        ("width", pa.int64()),
        ("vocabulary", pa.int64()),
        ("phase", pa.string()),
        ("batch", pa.int64()),
        ("context", pa.int64()),
        ("precision", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("wall", pa.float64()),
        ("device", pa.float64()),
        ("n", pa.int64()),
    ]
)


def write_cells(cells: Sequence[Cell], metadata: dict[str, Any], path: Path) -> None:
    """Write both to ``path``, whole or not at all. ``metadata`` must be JSON."""
    rows = [(*cell.key, *cell[1:]) for cell in cells]
    write_rows([[row[i] for row in rows] for i in range(len(SCHEMA))], SCHEMA, {METADATA_KEY: metadata}, path)


def read_cells(path: Path) -> tuple[list[Cell], dict[str, Any]]:
    """Cells and metadata of a file. Raises InputError if it is missing, damaged or something else."""
    arrow, metadata = read_rows(path, SCHEMA, METADATA_KEY, "latency table")
    rows = zip(*(arrow.column(name).to_pylist() for name in SCHEMA.names), strict=True)
    split = len(CellKey._fields)
    return [Cell(CellKey(*row[:split]), *row[split:]) for row in rows], metadata
