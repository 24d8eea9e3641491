"""A latency table as one parquet file: cells as rows, everything else as JSON in the schema's metadata."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nas_search.errors import InputError
from nas_search.files import write_atomic
from nas_search.profiler.cells import Cell, CellKey

METADATA_KEY = b"nas_search.latency_table"
SCHEMA = pa.schema(
    [
        ("operator", pa.string()),
        ("width", pa.int64()),
        ("vocabulary", pa.int64()),
        ("phase", pa.string()),
        ("batch", pa.int64()),
        ("context", pa.int64()),
        ("dtype", pa.string()),
        ("latency_ms", pa.float64()),
        ("low_ms", pa.float64()),
        ("high_ms", pa.float64()),
        ("wall_ms", pa.float64()),
        ("cpu_ms", pa.float64()),
        ("n", pa.int64()),
    ]
)


def write_cells(cells: Sequence[Cell], metadata: dict[str, Any], path: Path) -> None:
    """Write both to ``path``, whole or not at all. ``metadata`` must be JSON."""
    rows = [(*cell.key, *cell[1:]) for cell in cells]
    columns = [[row[i] for row in rows] for i in range(len(SCHEMA))]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    schema = SCHEMA.with_metadata({METADATA_KEY: json.dumps(metadata, sort_keys=True).encode()})
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), sink)
    write_atomic(path, sink.getvalue().to_pybytes())


def read_cells(path: Path) -> tuple[list[Cell], dict[str, Any]]:
    """Cells and metadata of a file. Raises InputError if it is missing, damaged or something else."""
    arrow = _read_parquet(path)
    encoded = (arrow.schema.metadata or {}).get(METADATA_KEY)
    if encoded is None:
        raise InputError(f"latency table {path}: a parquet file, but not a latency table")
    if not arrow.schema.equals(SCHEMA) or any(column.null_count for column in arrow.columns):
        raise InputError(f"latency table {path}: its columns are not those of a latency table")
    try:
        metadata = json.loads(encoded)
    except ValueError:
        metadata = None
    if not isinstance(metadata, dict):
        raise InputError(f"latency table {path}: its metadata is damaged")
    rows = zip(*(arrow.column(name).to_pylist() for name in SCHEMA.names), strict=True)
    split = len(CellKey._fields)
    return [Cell(CellKey(*row[:split]), *row[split:]) for row in rows], metadata


def _read_parquet(path: Path) -> Any:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"latency table {path}: {error.strerror or error}") from None
    try:
        return pq.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"latency table {path}: not a readable parquet file ({reason})") from None
