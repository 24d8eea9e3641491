"""Which tokens a network sees: a pure function of the seed and the step, the same for every candidate."""

from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nas_search.errors import InputError
from nas_search.proxies.shuffle import ComputedShuffle

Windows = NDArray[np.int64]

_MOST_STORED = 1 << 24
"""Windows whose order is kept in memory: 128 MiB."""


class Tokens(Protocol):
    """Tokens in a row, in memory or not: an array, or what gives those at places that are asked for."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, places: NDArray[np.int64], /) -> NDArray[np.unsignedinteger]:
        """Those at ``places``, in the same shape."""


class TrainingWindows:
    """Batches of windows without overlap in an epoch; every epoch is shifted and shuffled anew from the seed."""

    def __init__(self, tokens: Tokens, length: int, batch: int, seed: int) -> None:
        """Raises InputError when ``tokens`` do not hold two windows of ``length``."""
        self._count = (len(tokens) - length) // length
        if self._count < 1:
            raise InputError(
                f"the training text has {len(tokens)} tokens; windows of {length} need {2 * length} at least"
            )
        self._tokens = tokens
        self._length = length
        self._batch = batch
        self._seed = seed

    def batch(self, step: int) -> Windows:
        """The windows of optimiser step ``step``: [batch, length + 1], inputs and shifted targets in one."""
        return _take(
            self._tokens, np.array([self._start(step * self._batch + row) for row in range(self._batch)]), self._length
        )

    def _start(self, index: int) -> int:
        epoch, place = divmod(index, self._count)
        first, order = _epoch(self._count, self._length, self._seed, epoch)
        return first + self._length * int(order[place])


def validation_windows(tokens: Tokens, length: int, at_most: int) -> Windows:
    """Evenly spaced windows [n, length + 1] that predict ``at_most`` tokens, or as many as there are.

    Raises InputError when ``tokens`` do not hold one window of ``length``.
    """
    count = min(max(1, at_most // length), (len(tokens) - 1) // length)
    if count < 1:
        raise InputError(
            f"the validation text has {len(tokens)} tokens; a window of {length} needs {length + 1} at least"
        )
    starts = np.arange(count) * (len(tokens) - 1 - length) // max(1, count - 1)
    return _take(tokens, starts, length)


def _take(tokens: Tokens, starts: NDArray[np.int64], length: int) -> Windows:
    return np.asarray(tokens[starts[:, None] + np.arange(length + 1)], dtype=np.int64)


@lru_cache(maxsize=4)
def _epoch(count: int, length: int, seed: int, epoch: int) -> tuple[int, NDArray[np.int64] | ComputedShuffle]:
    """Where an epoch's first window begins, and the order in which its windows are drawn."""
    generator = np.random.default_rng([seed, epoch])
    first = int(generator.integers(length))
    return first, generator.permutation(count) if count <= _MOST_STORED else ComputedShuffle(count, generator)
