"""The documents of files of any size, one after the other and never a whole file at once."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from nas_search.errors import InputError, unreadable
from nas_search.proxies.text_files import has_nul, not_utf8
from nas_search.proxies.text_records import arrow_texts, jsonl_texts, parquet_texts
from nas_search.proxies.text_split import chunks

_BLOCK_BYTES = 1 << 20
_COMPRESSION = {".gz": "gzip", ".zst": "zstd"}


class StreamedText(NamedTuple):
    """A document, and the share of its file that has been read with it."""

    text: str
    read: float


def stream_texts(path: Path, field: str) -> Iterator[StreamedText]:
    """The documents of one file: records of JSONL (also ``.gz``, ``.zst``), parquet and Arrow, or pieces of plain text.

    Plain text is cut at line ends into pieces of about 64k characters. Raises InputError that names the file, and line,
    row or byte where there is one; NotTextError for what is no text at all.
    """
    try:
        if path.suffix.lower() in _BY_COLUMN:
            yield from map(StreamedText._make, _BY_COLUMN[path.suffix.lower()](path, field))
        else:
            yield from _lines_or_pieces(path, field)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {unreadable(error)}") from None


def _lines_or_pieces(path: Path, field: str) -> Iterator[StreamedText]:
    size = max(1, path.stat().st_size)
    with _opened(path) as (file, place):
        inner = path.with_suffix("") if path.suffix.lower() in _COMPRESSION else path
        records = inner.suffix.lower() in {".jsonl", ".ndjson"}
        texts = jsonl_texts(file, path, field) if records else _pieces(file, path)
        yield from (StreamedText(text, place() / size) for text in texts)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], Callable[[], int]]]:
    """The file's bytes, decompressed, and how many bytes of the file were read for them."""
    kind = _COMPRESSION.get(path.suffix.lower())
    if kind is None:
        with path.open("rb") as file:
            yield file, file.tell
        return
    import pyarrow as pa

    with pa.OSFile(str(path)) as raw, pa.CompressedInputStream(raw, kind) as stream:
        yield io.BufferedReader(stream), raw.tell


def _pieces(file: IO[bytes], path: Path) -> Iterator[str]:
    """Text in pieces that end with a line; where they are cut does not depend on how the file is read."""
    rest = ""
    for block in _decoded(file, path):
        if "\0" in block:
            raise has_nul(path)
        *whole, rest = chunks(rest + block) or [""]
        yield from whole
    yield rest


def _decoded(file: IO[bytes], path: Path) -> Iterator[str]:
    decoder, read, block = codecs.getincrementaldecoder("utf-8-sig")(), 0, b"start"
    while block:
        block = file.read(_BLOCK_BYTES)
        read += len(block)
        try:
            yield decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            raise not_utf8(path, read - len(error.object) + error.start) from None


_BY_COLUMN: dict[str, Callable[[Path, str], Iterator[tuple[str, float]]]] = {
    ".parquet": parquet_texts,
    ".arrow": arrow_texts,
}
