"""Tokens of many files as one long row, of which only what is asked for is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas_search.proxies.shards.index import Shard


class ShardedTokens:
    """The tokens of ``shards`` in ``folder``, one file behind the other; every process maps the same files."""

    def __init__(self, folder: Path, shards: Sequence[Shard], dtype: np.dtype[np.unsignedinteger]) -> None:
        """Raises OSError or ValueError for a file that is missing or too short."""
        self._files = [np.memmap(folder / shard.file, dtype, "r", shape=(shard.tokens,)) for shard in shards]
        self._ends = np.cumsum([shard.tokens for shard in shards])
        self._dtype = dtype

    def __len__(self) -> int:
        """Tokens in all files."""
        return int(self._ends[-1])

    def __getitem__(self, places: NDArray[np.int64]) -> NDArray[np.unsignedinteger]:
        """The tokens at ``places``, which count from 0 and have any shape; the result has the same."""
        found = np.empty(places.shape, self._dtype)
        files = np.searchsorted(self._ends, places, side="right")
        for file in np.unique(files):
            here = files == file
            tokens = self._files[file]
            found[here] = tokens[places[here] - (self._ends[file] - len(tokens))]
        return found
