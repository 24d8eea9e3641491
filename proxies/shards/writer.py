"""Token files that grow, and get their name when they are complete."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from nas_search.errors import InputError
from nas_search.proxies.shards.index import Shard
from nas_search.proxies.tokenizer import TokenArray


class TokenFile:
    """Appends tokens to ``path`` with ``.part`` behind its name, after the first ``keep`` of those that are there."""

    def __init__(self, path: Path, dtype: np.dtype[np.unsignedinteger], keep: int = 0) -> None:
        """Raises InputError if fewer than ``keep`` tokens are there, OSError when the file cannot be written."""
        self.path, self.dtype, self.tokens = path, dtype, keep
        self._part = path.with_name(f"{path.name}.part")
        if keep and path.exists():  # finished, but the preparation was not
            path.replace(self._part)
        self._digest = hashlib.sha256()
        self._file = self._part.open("r+b" if keep else "wb")
        if keep:
            self._keep(keep * dtype.itemsize)

    def __enter__(self) -> Self:
        """The file, to be closed in the end."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, tokens: TokenArray) -> None:
        """Write ``tokens`` [n] behind what is there. Raises OSError."""
        data = np.ascontiguousarray(tokens, self.dtype).tobytes()
        self._file.write(data)
        self._digest.update(data)
        self.tokens += len(tokens)

    def sync(self) -> None:
        """Make what was written outlive a crash. Raises OSError."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def finish(self) -> tuple[Shard, ...]:
        """Close the file and give it its name; without tokens there is no file and no shard. Raises OSError."""
        self.sync()
        self._file.close()
        if not self.tokens:
            self._part.unlink()
            return ()
        self._part.replace(self.path)
        return (Shard(file=self.path.name, tokens=self.tokens, sha256=self._digest.hexdigest()),)

    def _keep(self, size: int) -> None:
        left = size
        while left and (block := self._file.read(min(left, 1 << 22))):
            self._digest.update(block)
            left -= len(block)
        if left:
            self._file.close()
            raise InputError(f"{self._part}: cut short since the preparation began; delete the folder and begin anew")
        self._file.truncate(size)
