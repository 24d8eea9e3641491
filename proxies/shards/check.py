"""Whether shards are what their index says: sizes at every opening, contents once for every state of the files."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nas_search.errors import InputError, unreadable
from nas_search.files import write_text_atomic
from nas_search.proxies.shards.index import INDEX_FILE, Shard, ShardIndex, tokenizer_digest
from nas_search.proxies.tokenizer import TOKENIZER_FILE

Progress = Callable[[int, int], None]
"""Bytes done, and all bytes."""

CHECKED_FOLDER = "checked"
_BLOCK_BYTES = 1 << 22
_AGAIN = "copy it again, or prepare the data again"


def check_sizes(folder: Path, index: ShardIndex) -> None:
    """Raise InputError for a shard that is missing or has another size, and for another tokenizer's file."""
    for shard in index.shards:
        path = folder / shard.file
        try:
            size = path.stat().st_size
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {unreadable(error)}; {_AGAIN}") from None
        if size != index.size(shard):
            raise InputError(f"{path}: {size:,} bytes instead of {index.size(shard):,}, so it is damaged; {_AGAIN}")
    if tokenizer_digest(index.tokenizer, folder) != index.tokenizer_hash:
        raise InputError(f"{folder / TOKENIZER_FILE}: not the tokenizer of these shards; {_AGAIN}")


def check_contents(folder: Path, index: ShardIndex, cache_dir: Path, progress: Progress) -> None:
    """Raise InputError for a shard whose bytes are not those of the index; ``cache_dir`` remembers that they are."""
    done, total = 0, sum(map(index.size, index.shards))
    for shard in index.shards:
        done = _check_shard(folder / shard.file, shard, index, done, lambda read: progress(read, total))
    remember_checked(folder, index, cache_dir)


def known_contents(folder: Path, index: ShardIndex, cache_dir: Path) -> bool:
    """Whether the contents were found right, and no file has been touched since."""
    return _read(_note(folder, cache_dir)) == _state(folder, index)


def remember_checked(folder: Path, index: ShardIndex, cache_dir: Path) -> None:
    """Note that the files, as they are now, are right. Where nothing can be written it is forgotten."""
    note = _note(folder, cache_dir)
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomic(note, _state(folder, index))


def _check_shard(path: Path, shard: Shard, index: ShardIndex, done: int, progress: Callable[[int], None]) -> int:
    """Bytes done, with those of this shard."""
    digest, highest = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
                highest = max(highest, int(np.frombuffer(block, index.token_type).max()))
                done += len(block)
                progress(done)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {unreadable(error)}; {_AGAIN}") from None
    if digest.hexdigest() != shard.sha256:
        raise InputError(f"{path}: changed since it was prepared (its SHA-256 is another); {_AGAIN}")
    if highest >= index.vocabulary:
        raise InputError(f"{path}: holds token {highest}, but the vocabulary of {INDEX_FILE} is {index.vocabulary}")
    return done


def _note(folder: Path, cache_dir: Path) -> Path:
    return cache_dir / CHECKED_FOLDER / f"{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:24]}.json"


def _state(folder: Path, index: ShardIndex) -> str:
    """What changes when a file is written again."""
    files = [(shard.file, (folder / shard.file).stat()) for shard in index.shards]
    return json.dumps([index.hash, index.vocabulary, [[n, s.st_size, s.st_mtime_ns, s.st_ino] for n, s in files]])


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
