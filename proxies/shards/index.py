"""What a folder of shards holds, as its index says."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nas_search.errors import InputError, first_problem, unreadable
from nas_search.files import write_text_atomic
from nas_search.proxies.tokenizer import BYTES, TOKENIZER_FILE

INDEX_FILE = "shards.json"
STATE_FILE = "preparing.json"
FORMAT: Literal[1] = 1
_SHA256 = r"^[0-9a-f]{64}$"


class Shard(BaseModel):
    """A file of little-endian tokens and nothing else, and the SHA-256 of its bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = Field(pattern=r"^(train|validation)-[0-9]{5}\.bin$")
    tokens: int = Field(ge=1)
    sha256: str = Field(pattern=_SHA256)


class ShardIndex(BaseModel):
    """The shards of a corpus in their order, and what their tokens mean.

    ``tokenizer_hash`` is :func:`tokenizer_digest`. ``bytes_per_token`` is counted on the held-out text. ``documents``
    are those with text in them, ``empty`` those without; ``held_out`` is the share that was asked for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal[1] = FORMAT
    name: str
    tokenizer: str
    tokenizer_hash: str = Field(pattern=_SHA256)
    vocabulary: int = Field(ge=1)
    dtype: str = Field(pattern=r"^uint(8|16|32)$")
    bytes_per_token: float = Field(gt=0)
    held_out: float = Field(gt=0, lt=1)
    documents: int = Field(ge=0)
    empty: int = Field(ge=0)
    train: tuple[Shard, ...] = Field(min_length=1)
    validation: tuple[Shard, ...] = Field(min_length=1)

    @classmethod
    def read(cls, folder: Path) -> ShardIndex:
        """The index in ``folder``. Raises InputError."""
        path = folder / INDEX_FILE
        if not path.is_file():
            raise InputError(f"{folder}: {_no_index(folder)}")
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {unreadable(error)}") from None
        except ValidationError as error:
            raise InputError(f"{path}: no index of shards: {first_problem(error)}") from None

    def write(self, folder: Path) -> None:
        """Write the index into ``folder``. Raises OSError."""
        write_text_atomic(folder / INDEX_FILE, self.model_dump_json(indent=1) + "\n")

    @property
    def shards(self) -> tuple[Shard, ...]:
        """All of them."""
        return self.train + self.validation

    @property
    def train_tokens(self) -> int:
        """Tokens to train on."""
        return sum(shard.tokens for shard in self.train)

    @property
    def validation_tokens(self) -> int:
        """Tokens held out."""
        return sum(shard.tokens for shard in self.validation)

    @property
    def token_type(self) -> np.dtype[np.unsignedinteger]:
        """The type of a token in the files, on any machine."""
        return np.dtype(self.dtype).newbyteorder("<")

    @property
    def hash(self) -> str:
        """Sixteen digits over tokenizer and tokens, as they are in the files."""
        sides = [[(shard.tokens, shard.sha256) for shard in side] for side in (self.train, self.validation)]
        parts = json.dumps([FORMAT, self.tokenizer, self.dtype, *sides])
        return hashlib.sha256(parts.encode()).hexdigest()[:16]

    def size(self, shard: Shard) -> int:
        """Bytes of the file of ``shard``."""
        return shard.tokens * self.token_type.itemsize


def is_shard_folder(path: Path) -> bool:
    """Whether ``path`` holds shards, or some that are being prepared."""
    return any((path / name).is_file() for name in (INDEX_FILE, STATE_FILE))


def tokenizer_digest(name: str, folder: Path) -> str:
    """SHA-256 of the tokenizer's file in ``folder``, or of its name if it needs none. Raises InputError."""
    path = folder / TOKENIZER_FILE
    try:
        content = name.encode() if name == BYTES else path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {unreadable(error)}") from None
    return hashlib.sha256(content).hexdigest()


def _no_index(folder: Path) -> str:
    if (folder / STATE_FILE).is_file():
        return "its preparation is not finished; run the same 'nas-search data prepare' again"
    return f"no prepared data, there is no {INDEX_FILE}; 'nas-search data prepare' makes such a folder"
