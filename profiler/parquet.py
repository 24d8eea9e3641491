"""Rows in a parquet file with everything else as JSON in the schema's metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nas_search.errors import InputError
from nas_search.files import write_atomic
from nas_search.parquet_file import MIB, Bounds, read_parquet

# The largest table has some thousand rows.
_BOUNDS = Bounds(16 * MIB, 1 << 18, 256 * MIB)


def write_rows(columns: Sequence[Any], schema: pa.Schema, metadata: Mapping[bytes, Any], path: Path) -> None:
    """Write ``columns`` and ``metadata``, which must be JSON, to ``path``, whole or not at all."""
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    encoded = {key: json.dumps(value, sort_keys=True).encode() for key, value in metadata.items()}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema.with_metadata(encoded)), sink)
    write_atomic(path, sink.getvalue().to_pybytes())


def read_rows(path: Path, schema: pa.Schema, key: bytes, what: str) -> tuple[pa.Table, dict[str, Any]]:
    """The rows of a file and the metadata under ``key``.

    Raises InputError, calling it ``what``, if it is missing, damaged or something else.
    """
    arrow = _read_parquet(path, what)
    encoded = (arrow.schema.metadata or {}).get(key)
    if encoded is None:
        raise InputError(f"{what} {path}: a parquet file, but not a {what}")
    if not arrow.schema.equals(schema) or any(column.null_count for column in arrow.columns):
        raise InputError(f"{what} {path}: its columns are not those of a {what}")
    try:
        metadata = json.loads(encoded)
    except (ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict):
        raise InputError(f"{what} {path}: its metadata is damaged")
    return arrow, metadata


def _read_parquet(path: Path, what: str) -> pa.Table:
    try:
        return read_parquet(path, _BOUNDS)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        if isinstance(error, OSError) and error.strerror:  # of the file system, not of Arrow
            raise InputError(f"{what} {path}: {error.strerror}") from None
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"{what} {path}: not a readable parquet file ({reason})") from None
