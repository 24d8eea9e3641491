"""Reading the user's files: plain text, JSONL and parquet, with errors that name the place."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from nas_search.errors import InputError

TEXT_FIELD = "text"


class NotTextError(InputError):
    """A file that holds something else than UTF-8 text."""


def read_texts(path: Path) -> list[str]:
    """The texts of one file: one per record in JSONL (field ``text``) and parquet (column ``text``), else one.

    Raises InputError that names the file, and the line or byte where there is one.
    """
    reader = _READERS.get(path.suffix.lower(), _read_plain)
    try:
        return reader(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None


def _read_plain(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotTextError(f"{path}: not UTF-8 text at byte {error.start}; convert the file to UTF-8") from None
    if "\0" in text:
        raise NotTextError(f"{path}: holds a NUL character, so it is no text; give a UTF-8 text file")
    return [text]


def _read_jsonl(path: Path) -> list[str]:
    lines = path.read_bytes().split(b"\n")
    return [_record_text(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def _record_text(line: bytes, where: str) -> str:
    """The text of one JSON line; ``where`` is for the error."""
    try:
        record = json.loads(line)
    except ValueError as error:
        reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise InputError(f"{where}: not JSON ({reason}); every line must be an object with '{TEXT_FIELD}'") from None
    except RecursionError:
        raise InputError(f"{where}: nested too deeply; every line must be an object with '{TEXT_FIELD}'") from None
    if not isinstance(record, dict) or not isinstance(record.get(TEXT_FIELD), str):
        raise InputError(f"{where}: no string field '{TEXT_FIELD}'; every line must be an object that has one")
    return _encodable(record[TEXT_FIELD], where)


def _encodable(text: str, where: str) -> str:
    """JSON can spell half a surrogate pair, which is no character."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{where}: '{TEXT_FIELD}' has half a surrogate pair at character {error.start}") from None
    return text


def _read_parquet(path: Path) -> list[str]:
    """Null rows carry no text and are left out."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if TEXT_FIELD not in names:
                raise InputError(f"{path}: no column '{TEXT_FIELD}'; it has {', '.join(names) or 'none'}")
            values = file.read(columns=[TEXT_FIELD]).column(TEXT_FIELD).to_pylist()
    except pa.ArrowException as error:
        raise InputError(f"{path}: not a readable parquet file: {' '.join(str(error).split())}") from None
    return list(_strings(values, path))


def _strings(values: list[object], path: Path) -> Iterator[str]:
    for row, value in enumerate(values):
        if isinstance(value, str):
            yield value
        elif value is not None:
            kind = type(value).__name__
            raise InputError(f"{path}, row {row}: column '{TEXT_FIELD}' holds {kind}; it must hold strings")


_READERS: dict[str, Callable[[Path], list[str]]] = {
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".parquet": _read_parquet,
}
