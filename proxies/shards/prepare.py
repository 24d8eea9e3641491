"""Texts into a folder of shards, read as a stream; what was interrupted goes on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from nas_search.errors import InputError, RunError
from nas_search.proxies.corpus_size import check_size
from nas_search.proxies.shards.documents import Document, Documents, batches
from nas_search.proxies.shards.index import STATE_FILE, ShardIndex, tokenizer_digest
from nas_search.proxies.shards.sources import find_files, names_digest, sources_name
from nas_search.proxies.shards.state import Request, State, check_out, leftovers, read_state
from nas_search.proxies.shards.writer import TokenFile
from nas_search.proxies.text_records import TEXT_FIELD
from nas_search.proxies.tokenizer import BYTES, TokenArray, Tokenizer, bpe_size, train_tokenizer

SEPARATOR = "\0"
"""Stands behind every document: a byte, and a token of every tokenizer, that text does not have."""
HELD_OUT = 0.01
SHARD_TOKENS = 1 << 28

Progress = Callable[[int, int], None]
"""Bytes of the files done, and all their bytes."""


def prepare_shards(
    sources: Sequence[str],
    out: Path,
    *,
    tokenizer: str = BYTES,
    field: str = TEXT_FIELD,
    held_out: float = HELD_OUT,
    shard_tokens: int = SHARD_TOKENS,
    progress: Progress = lambda done, total: None,
    note: Callable[[str], None] = lambda text: None,
) -> ShardIndex:
    """Tokenise the documents of ``sources`` into the folder ``out``, and return its index.

    The same texts give the same shards on every machine, interrupted on the way or not: the same call goes on behind
    the last complete shard. A share ``held_out`` of the documents is for validation, by the hash of their text. A shard
    ends with the document that fills ``shard_tokens``. ``note`` is told what a user should know.

    Raises InputError for texts and folders that do not suit, RunError when ``out`` cannot be written; nothing is left
    behind unless a shard was complete.
    """
    if not 0 < held_out <= 0.5:
        raise InputError(f"held out {held_out:g}: not a share above 0 and at most 0.5")
    bpe_size(tokenizer)
    check_out(out)
    files = find_files(sources, out)
    documents = Documents(files, field, held_out, skip=lambda path: note(f"{path}: no text, left out"))
    model = train_tokenizer(tokenizer, "" if tokenizer == BYTES else documents.learning_text())
    request = Request(
        files=names_digest(files),
        tokenizer=tokenizer,
        tokenizer_hash=_digest(model, tokenizer),
        field=field,
        held_out=held_out,
        shard_tokens=shard_tokens,
    )
    state = read_state(out, request)
    if state.train:
        note(f"{out}: going on after {state.read:,} documents in {len(state.train)} shards")
    with _nothing_half_done(out):
        state.write(out)
        model.save(out)
        return _Packing(out, model, sources_name(sources), documents, progress).run(state)


@dataclass(frozen=True)
class _Packing:
    """Writes documents, each with a separator behind it, into the shards of their side."""

    out: Path
    model: Tokenizer
    name: str
    documents: Documents
    progress: Progress

    def run(self, state: State) -> ShardIndex:
        waiting = batches(self.documents.after(state.read, state.chain))
        with TokenFile(self.out / "validation-00000.bin", self._dtype, keep=state.validation_tokens) as validation:
            for batch in waiting:
                state = self._shard(chain([batch], waiting), validation, state)
                state.write(self.out)
            self._check_enough(state)
            index = self._index(state, validation)
        index.write(self.out)
        for path in (self.out / STATE_FILE, *leftovers(self.out)):
            path.unlink()
        return index

    @property
    def _dtype(self) -> np.dtype[np.unsignedinteger]:
        return self.model.encode(SEPARATOR).dtype.newbyteorder("<")

    def _shard(self, waiting: Iterator[list[Document]], validation: TokenFile, state: State) -> State:
        """Write the next shard; what is held out on the way goes behind what was held out before."""
        with TokenFile(self.out / f"train-{len(state.train):05}.bin", self._dtype) as train:
            for batch in waiting:
                state = self._append(batch, train, validation, state)
                if train.tokens >= state.request.shard_tokens:
                    break
            validation.sync()
            return state.model_copy(
                update={"train": (*state.train, *train.finish()), "validation_tokens": validation.tokens}
            )

    def _append(self, batch: list[Document], train: TokenFile, validation: TokenFile, state: State) -> State:
        full = [document for document in batch if not document.empty]
        encoded = self.model.encode_each([document.text for document in full])
        for side, held_out in ((train, False), (validation, True)):
            self._join(side, [tokens for tokens, each in zip(encoded, full, strict=True) if each.held_out == held_out])
        last = batch[-1]
        self.progress(last.done, self.documents.size)
        return state.model_copy(
            update={
                "read": state.read + len(batch),
                "chain": last.chain,
                "documents": state.documents + len(full),
                "empty": state.empty + len(batch) - len(full),
                "validation_bytes": state.validation_bytes + sum(each.size + 1 for each in full if each.held_out),
            }
        )

    def _join(self, side: TokenFile, encoded: list[TokenArray]) -> None:
        separator = self.model.encode(SEPARATOR)
        if encoded:
            side.append(np.concatenate([part for tokens in encoded for part in (tokens, separator)]))

    def _check_enough(self, state: State) -> None:
        """Raise InputError, after removing the shards, for texts that going on would make no corpus of."""
        try:
            if not state.documents:
                raise InputError(f"data '{self.name}': there is no text in it; give some tens of kilobytes at least")
            check_size(self.name, sum(shard.tokens for shard in state.train), state.validation_tokens)
        except InputError as error:
            for shard in state.train:
                (self.out / shard.file).unlink()
            raise InputError(f"{error} (held out: {state.request.held_out:g} of the documents)") from None

    def _index(self, state: State, validation: TokenFile) -> ShardIndex:
        return ShardIndex(
            name=self.name,
            tokenizer=state.request.tokenizer,
            tokenizer_hash=state.request.tokenizer_hash,
            vocabulary=self.model.vocabulary,
            dtype=self._dtype.name,
            bytes_per_token=state.validation_bytes / state.validation_tokens,
            held_out=state.request.held_out,
            documents=state.documents,
            empty=state.empty,
            train=state.train,
            validation=validation.finish(),
        )


@contextmanager
def _nothing_half_done(out: Path) -> Iterator[None]:
    """A folder that is there, and is emptied again if anything was raised before a shard was complete."""
    existed = out.is_dir()
    try:
        out.mkdir(exist_ok=True)
        yield
    except BaseException as error:
        if out.is_dir() and not any(out.glob("train-*.bin")):
            _empty(out)
            if not existed:
                out.rmdir()
        if isinstance(error, OSError):
            raise RunError(f"cannot write the shards to {out}: {error.strerror or error}") from None
        raise


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def _digest(model: Tokenizer, name: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        return tokenizer_digest(name, Path(folder))
