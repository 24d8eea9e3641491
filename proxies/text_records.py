"""Texts of record files, one for each record: JSONL, parquet and Arrow, read as a stream."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO, TYPE_CHECKING

from nas_search.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

TEXT_FIELD = "text"
_ROWS = 1024
"""Rows of a parquet file that are read at once."""
LONGEST_LINE = 1 << 28
_NAMED = 8
"""Fields of a record that a message lists at most."""


def jsonl_texts(file: IO[bytes], path: Path, field: str = TEXT_FIELD) -> Iterator[str]:
    """The field of every line that is not blank. Raises InputError that names file and line."""
    for number in count(1):
        line = file.readline(LONGEST_LINE + 1)
        if not line:
            return
        if len(line) > LONGEST_LINE:  # a few kilobytes can be decompressed to a line that fills the memory
            raise InputError(f"{path}, line {number}: over {LONGEST_LINE:,} bytes; no document is so long")
        if line.strip():
            yield _json_text(line, f"{path}, line {number}", field)


def parquet_texts(path: Path, field: str = TEXT_FIELD) -> Iterator[tuple[str, float]]:
    """The column without its nulls, each text with the share of the file that was read. Raises InputError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            _check_column(file.schema_arrow.names, path, field)
            rows, row = max(1, file.metadata.num_rows), 0
            for batch in file.iter_batches(_ROWS, columns=[field]):
                read = (row + len(batch)) / rows
                yield from ((text, read) for text in _column_texts(batch.column(field), row, path, field))
                row += len(batch)
    except (pa.ArrowException, UnicodeDecodeError) as error:  # the latter for names of columns
        raise InputError(f"{path}: not a readable parquet file: {_one_line(error)}") from None


def arrow_texts(path: Path, field: str = TEXT_FIELD) -> Iterator[tuple[str, float]]:
    """As :func:`parquet_texts`, of an Arrow stream or file, which is what ``datasets`` saves."""
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as source, _batches(source) as (names, batches):
            _check_column(names, path, field)
            size, row, done = max(1, source.size()), 0, 0
            for batch in batches:
                done += batch.nbytes
                read = min(1.0, done / size)  # the place in the file is not told
                yield from ((text, read) for text in _column_texts(batch.column(field), row, path, field))
                row += len(batch)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable Arrow file: {_one_line(error)}") from None


def _json_text(line: bytes, where: str, field: str) -> str:
    """The text of one JSON line; ``where`` is for the error."""
    try:
        record = json.loads(line)
    except ValueError as error:
        reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise InputError(f"{where}: not JSON ({reason}); every line must be an object with '{field}'") from None
    except RecursionError:
        raise InputError(f"{where}: nested too deeply; every line must be an object with '{field}'") from None
    if not isinstance(record, dict) or not isinstance(record.get(field), str):
        has = f" (it has {', '.join(list(record)[:_NAMED])})" if isinstance(record, dict) and record else ""
        raise InputError(f"{where}: no string field '{field}'{has}; every line must be an object that has one")
    return _encodable(record[field], where, field)


def _encodable(text: str, where: str, field: str) -> str:
    """JSON can spell half a surrogate pair, which is no character."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{where}: '{field}' has half a surrogate pair at character {error.start}") from None
    return text


@contextmanager
def _batches(source: pa.MemoryMappedFile) -> Iterator[tuple[list[str], Iterable[pa.RecordBatch]]]:
    """Column names and record batches; the file format begins with a mark that the stream format has not."""
    import pyarrow as pa

    is_file = source.read(6) == b"ARROW1"
    source.seek(0)
    if is_file:
        with pa.ipc.open_file(source) as file:
            yield file.schema.names, (file.get_batch(number) for number in range(file.num_record_batches))
    else:
        with pa.ipc.open_stream(source) as stream:
            yield stream.schema.names, stream


def _check_column(names: list[str], path: Path, field: str) -> None:
    if field not in names:
        raise InputError(f"{path}: no column '{field}'; it has {', '.join(names) or 'none'}")


def _column_texts(column: pa.Array, first_row: int, path: Path, field: str) -> Iterator[str]:
    """The strings of a column whose first row is ``first_row`` of the file."""
    import pyarrow as pa

    try:
        column.validate(full=True)  # texts of a damaged file can begin and end anywhere
        values: list[object] = column.to_pylist()
    except (UnicodeDecodeError, pa.ArrowInvalid):
        rows = f"rows {first_row} to {first_row + len(column) - 1}"
        raise InputError(f"{path}, {rows}: column '{field}' holds text that is not UTF-8, or is damaged") from None
    for row, value in enumerate(values, first_row):
        if isinstance(value, str):
            yield value
        elif value is not None:
            kind = type(value).__name__
            raise InputError(f"{path}, row {row}: column '{field}' holds {kind}; it must hold strings")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
