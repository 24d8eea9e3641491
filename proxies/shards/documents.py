"""The documents of files with what decides on them: a hash of each, and the side that it is on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from nas_search.errors import InputError
from nas_search.proxies.shards.sources import SourceFile
from nas_search.proxies.tokenizer import BPE_TRAINING_CHARACTERS

_BATCH_CHARACTERS = 1 << 22
_LEARNING_FILES = 256
"""Files, evenly spaced, from which a tokenizer learns at most."""


class Document(NamedTuple):
    """A text of ``size`` bytes, the side that it is on, and a hash of all documents up to it.

    ``done`` are the bytes of all files that were read so far.
    """

    text: str
    size: int
    held_out: bool
    chain: str
    done: int

    @property
    def empty(self) -> bool:
        """Whether there is nothing to read in it."""
        return not self.text.strip()


@dataclass(frozen=True)
class Documents:
    """The documents of ``files``, a share ``held_out`` of them by the hash of their text: their order does not matter.

    ``skip`` is told of files that are no text.
    """

    files: Sequence[SourceFile]
    field: str
    held_out: float
    skip: Callable[[Path], None]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def after(self, count: int, chain: str) -> Iterator[Document]:
        """Those behind the first ``count``. Raises InputError if the hash of these is not ``chain``."""
        documents = self._read()
        last = next(islice(documents, count - 1, None), None) if count else None
        if count and (last is None or last.chain != chain):
            raise InputError("the texts have changed since the preparation began; delete the folder and begin anew")
        return documents

    def learning_text(self) -> str:
        """Text from the starts of the files for a tokenizer to learn from, nothing held out in it."""
        files = self.files[:: -(-len(self.files) // _LEARNING_FILES)]
        share = BPE_TRAINING_CHARACTERS // len(files)
        return "\n".join(text for file in files for text in self._start(file, share))

    def _start(self, file: SourceFile, characters: int) -> Iterator[str]:
        for text, _ in file.documents(self.field, lambda _: None):
            if not self._is_held_out(hashlib.sha256(text.encode()).digest()):
                yield text[:characters]
                characters -= len(text)
                if characters <= 0:
                    return

    def _read(self) -> Iterator[Document]:
        chain, before = b"", 0
        for file in self.files:
            for text, read in file.documents(self.field, self.skip):
                data = text.encode()
                digest = hashlib.sha256(data).digest()
                chain = hashlib.sha256(chain + digest).digest()
                done = before + int(file.size * read)
                yield Document(text, len(data), self._is_held_out(digest), chain.hex(), done)
            before += file.size

    def _is_held_out(self, digest: bytes) -> bool:
        return int.from_bytes(digest[:8], "big") < self.held_out * 2.0**64


def batches(documents: Iterator[Document]) -> Iterator[list[Document]]:
    """Documents in batches of some megabytes."""
    batch: list[Document] = []
    characters = 0
    for document in documents:
        batch.append(document)
        characters += len(document.text)
        if characters >= _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
