"""Reading the user's files at once: plain text, JSONL and parquet, with errors that name the place."""

from collections.abc import Callable
from pathlib import Path

from nas_search.errors import InputError, unreadable
from nas_search.proxies.text_records import jsonl_texts, parquet_texts


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
        raise InputError(f"{path}: cannot be read: {unreadable(error)}") from None


def not_utf8(path: Path, byte: int) -> NotTextError:
    """The error for a file that cannot be decoded at ``byte``."""
    return NotTextError(f"{path}: not UTF-8 text at byte {byte}; convert the file to UTF-8")


def has_nul(path: Path) -> NotTextError:
    """The error for a file with a character that text never has."""
    return NotTextError(f"{path}: holds a NUL character, so it is no text; give a UTF-8 text file")


def _read_plain(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_utf8(path, error.start) from None
    if "\0" in text:
        raise has_nul(path)
    return [text]


def _read_jsonl(path: Path) -> list[str]:
    with path.open("rb") as file:
        return list(jsonl_texts(file, path))


def _read_parquet(path: Path) -> list[str]:
    return [text for text, _ in parquet_texts(path)]


_READERS: dict[str, Callable[[Path], list[str]]] = {
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".parquet": _read_parquet,
}
