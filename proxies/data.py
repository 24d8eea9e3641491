"""Text as tokens on disk: made once into a cache folder, then opened memory-mapped by every worker."""

import hashlib
import json
import os
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nas_search.errors import InputError, RunError
from nas_search.files import write_text_atomic
from nas_search.proxies.corpus_size import check_size
from nas_search.proxies.shards.check import check_contents, check_sizes, known_contents
from nas_search.proxies.shards.index import ShardIndex, is_shard_folder
from nas_search.proxies.shards.tokens import ShardedTokens
from nas_search.proxies.text_sources import EMBEDDED, TextFolder, TextSource, open_source, source_digest
from nas_search.proxies.text_split import SplitText
from nas_search.proxies.tokenizer import (
    BYTES,
    TokenArray,
    Tokenizer,
    bpe_size,
    load_tokenizer,
    train_tokenizer,
)
from nas_search.proxies.windows import Tokens

FORMAT = 1
CORPUS_FILE = "corpus.json"
_LONG_CHECK_BYTES = 2_000_000_000
"""Bytes whose check takes some seconds, which is said."""


@dataclass(frozen=True)
class Corpus:
    """Training and validation tokens of one text, [n] each, memory-mapped from ``path``.

    ``hash`` identifies tokenizer and tokens: losses compare only at equal hash. ``bytes_per_token`` is counted on
    the validation text and turns nats per token into bits per byte.
    """

    name: str
    train: Tokens
    validation: Tokens
    vocabulary: int
    bytes_per_token: float
    tokenizer_name: str
    hash: str
    path: Path

    @classmethod
    def open(cls, path: Path) -> "Corpus":
        """Open a materialised corpus or a folder of shards. Raises InputError when it is missing or damaged."""
        return cls._of_shards(path) if is_shard_folder(path) else cls._of_arrays(path)

    @classmethod
    def _of_arrays(cls, path: Path) -> "Corpus":
        try:
            facts = json.loads((path / CORPUS_FILE).read_text(encoding="utf-8"))
            corpus = cls(
                name=facts["name"],
                train=np.load(path / "train.npy", mmap_mode="r", allow_pickle=False),
                validation=np.load(path / "validation.npy", mmap_mode="r", allow_pickle=False),
                vocabulary=facts["vocabulary"],
                bytes_per_token=facts["bytes_per_token"],
                tokenizer_name=facts["tokenizer"],
                hash=facts["hash"],
                path=path,
            )
            lengths = (facts["train_tokens"], facts["validation_tokens"])
            there = (len(corpus.train), len(corpus.validation))
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"corpus {path}: cannot be opened ({reason}); delete the folder") from None
        if facts.get("format") != FORMAT or lengths != there:
            raise InputError(f"corpus {path}: incomplete or of another format; delete the folder")
        return corpus

    @classmethod
    def _of_shards(cls, path: Path) -> "Corpus":
        index = ShardIndex.read(path)
        check_sizes(path, index)
        try:
            train, validation = (
                ShardedTokens(path, side, index.token_type) for side in (index.train, index.validation)
            )
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: a shard cannot be opened: {' '.join(str(error).split())}") from None
        return cls(
            name=index.name,
            train=train,
            validation=validation,
            vocabulary=index.vocabulary,
            bytes_per_token=index.bytes_per_token,
            tokenizer_name=index.tokenizer,
            hash=index.hash,
            path=path,
        )

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Encodes and decodes text as this corpus was. Raises InputError when its file is damaged."""
        return load_tokenizer(self.tokenizer_name, self.path)


def load_corpus(source: str = EMBEDDED, tokenizer: str = BYTES, cache_dir: Path | None = None) -> Corpus:
    """The corpus of a text: ``embedded``, a text, JSONL or parquet file, a folder of text files, or one of shards.

    Shards are used where they lie, after a look at their contents if there was none since they were last written.
    Any other corpus is made on first use and kept in ``cache_dir`` under a hash of the text and the tokenizer, so
    changed text gives another corpus. Raises InputError for text that is missing, undecodable or too small, for an
    unknown tokenizer and for shards of another, RunError when the cache cannot be written.
    """
    bpe_size(tokenizer)
    text = open_source(source)
    if isinstance(text, TextFolder) and is_shard_folder(text.path):
        return _load_shards(text.path.absolute(), tokenizer, cache_dir or default_cache_dir())
    folder = (cache_dir or default_cache_dir()) / _key(text, tokenizer)
    try:
        return Corpus.open(folder)
    except InputError:
        return _materialise(text, tokenizer, folder)


def default_cache_dir() -> Path:
    """``nas-search/corpora`` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nas-search" / "corpora"


def _load_shards(folder: Path, tokenizer: str, cache_dir: Path) -> Corpus:
    index = ShardIndex.read(folder)
    if index.tokenizer != tokenizer:
        raise InputError(
            f"data '{folder}': tokens of {index.tokenizer}, not of {tokenizer}; name the tokenizer {index.tokenizer}"
        )
    corpus = Corpus.open(folder)
    if not known_contents(folder, index, cache_dir):
        size = sum(map(index.size, index.shards))
        if size > _LONG_CHECK_BYTES:
            warnings.warn(f"data '{folder}': checking {size / 1e9:.1f} GB of shards, once", stacklevel=2)
        check_contents(folder, index, cache_dir, lambda done, total: None)
    return corpus


def _key(text: TextSource, tokenizer: str) -> str:
    parts = json.dumps([FORMAT, text.name, tokenizer, source_digest(text)])
    return hashlib.sha256(parts.encode()).hexdigest()[:24]


def _materialise(text: TextSource, tokenizer_name: str, folder: Path) -> Corpus:
    """Build the corpus beside ``folder`` and rename it there; a complete one made meanwhile by another wins."""
    split = text.read()
    _check_text(text, split)
    tokenizer = train_tokenizer(tokenizer_name, split.train)
    train, validation = tokenizer.encode(split.train), tokenizer.encode(split.validation)
    check_size(text.name, len(train), len(validation))
    facts = {
        "format": FORMAT,
        "name": text.name,
        "tokenizer": tokenizer_name,
        "vocabulary": tokenizer.vocabulary,
        "bytes_per_token": len(split.validation.encode()) / len(validation),
        "train_tokens": len(train),
        "validation_tokens": len(validation),
        "hash": _tokens_hash(tokenizer_name, train, validation),
    }
    try:
        _write_folder(folder, tokenizer, train, validation, facts)
    except OSError as error:
        raise RunError(f"cannot write the corpus to {folder}: {error.strerror or error}") from None
    return Corpus.open(folder)


def _check_text(text: TextSource, split: SplitText) -> None:
    if not (split.train + split.validation).strip():
        raise InputError(f"data '{text.name}': there is no text in it; give some tens of kilobytes at least")


def _tokens_hash(tokenizer_name: str, train: TokenArray, validation: TokenArray) -> str:
    digest = hashlib.sha256(f"{tokenizer_name} {len(train)} {len(validation)}\n".encode())
    for tokens in (train, validation):
        digest.update(np.ascontiguousarray(tokens).astype(tokens.dtype.newbyteorder("<")).data)
    return digest.hexdigest()[:16]


def _write_folder(
    folder: Path, tokenizer: Tokenizer, train: TokenArray, validation: TokenArray, facts: dict[str, Any]
) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        _save_array(temporary / "train.npy", train)
        _save_array(temporary / "validation.npy", validation)
        tokenizer.save(temporary)
        write_text_atomic(temporary / CORPUS_FILE, json.dumps(facts, indent=1))
        _move(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _save_array(path: Path, tokens: TokenArray) -> None:
    with path.open("wb") as file:
        np.save(file, tokens, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())


def _move(temporary: Path, folder: Path) -> None:
    """Rename into place. A folder that is there already is damaged, or equal and made by another process."""
    try:
        temporary.rename(folder)
    except OSError:
        if _opens(folder):
            return
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)


def _opens(folder: Path) -> bool:
    try:
        Corpus.open(folder)
    except InputError:
        return False
    return True
