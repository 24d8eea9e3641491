"""Parquet files of others, read within bounds.

A few hundred bytes can declare any number of rows, or repeat a long text in each of a million, so what a file says of
itself is looked at before memory is taken, and texts stay in their dictionaries until it is known how long they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MIB = 1 << 20


class Bounds(NamedTuple):
    """The most that a file may have: of itself, of rows, and of columns when they are written out."""

    file_bytes: int
    rows: int
    bytes: int


def read_parquet(path: Path, bounds: Bounds) -> pa.Table:
    """All rows of a file with single values in its columns.

    Raises ValueError, in one line, for lists and the like and for a file beyond the bounds; OSError or an
    ArrowException for one that cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with path.open("rb") as opened:
        data = opened.read(bounds.file_bytes + 1)
    if len(data) > bounds.file_bytes:
        raise ValueError(f"over {bounds.file_bytes // MIB:,} MiB")
    # read_table would import pandas. A pool of threads that has hardly begun can abort a process that ends.
    with pq.ParquetFile(pa.BufferReader(data)) as file:
        schema = file.schema_arrow
        _check_declared(file.metadata, schema, bounds)
    texts = [field.name for field in schema if _is_text(field.type)]
    with pq.ParquetFile(pa.BufferReader(data), read_dictionary=texts) as file:
        table = file.read(use_threads=False)
    table.validate(full=True)
    _check_texts(table, bounds)
    return table if table.schema.equals(schema) else table.cast(schema)


def _check_declared(metadata: pq.FileMetaData, schema: pa.Schema, bounds: Bounds) -> None:
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    rows = max(metadata.num_rows, sum(group.num_rows for group in groups))
    if not 0 <= rows <= bounds.rows:
        raise ValueError(f"{rows:,} rows, over {bounds.rows:,}")
    if rows * sum(_width(field) for field in schema) > bounds.bytes:
        raise ValueError(f"{rows:,} rows of {metadata.num_columns:,} columns, over {bounds.bytes // MIB:,} MiB")
    # Not what columns say of themselves: there pyarrow aborts the process at metadata that is damaged.
    size = sum(max(0, group.total_byte_size) for group in groups)
    if size > bounds.bytes:
        raise ValueError(f"{size // MIB:,} MiB of columns, over {bounds.bytes // MIB:,}")


def _width(field: pa.Field) -> int:
    """Bytes of one value of a column, but for its text."""
    import pyarrow as pa

    if pa.types.is_nested(field.type):
        raise ValueError(f"column '{field.name}' holds {field.type}, not single values")
    try:
        return max(8, int(field.type.bit_width) // 8)
    except ValueError:  # of no fixed width
        return 8


def _check_texts(table: pa.Table, bounds: Bounds) -> None:
    """That texts, each written out where it stands, are not too much."""
    written = sum(map(_written_bytes, _dictionaries(table)))
    if written > bounds.bytes:
        raise ValueError(f"{written // MIB:,} MiB of text, over {bounds.bytes // MIB:,}")


def _dictionaries(table: pa.Table) -> Iterator[Any]:
    import pyarrow as pa

    for column in table.columns:
        if pa.types.is_dictionary(column.type) and _is_text(column.type.value_type):
            yield from column.chunks


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return kind in {pa.string(), pa.binary(), pa.large_string(), pa.large_binary()}


def _written_bytes(chunk: Any) -> int:
    import pyarrow.compute as pc

    lengths = pc.take(pc.binary_length(chunk.dictionary), chunk.indices)
    return int(pc.sum(pc.cast(lengths, "int64")).as_py() or 0)
