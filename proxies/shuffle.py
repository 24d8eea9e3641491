"""Shuffled orders that are computed place by place, for rows too long to keep an order of."""

from __future__ import annotations

import numpy as np

_ROUNDS = 6
_64_BITS = (1 << 64) - 1


class ComputedShuffle:
    """A permutation of ``range(count)`` in constant memory, drawn from ``generator``.

    A Feistel network permutes a power of four; numbers from ``count`` on are permuted again until one is below it
    (cycle walking, Black and Rogaway 2002).
    """

    def __init__(self, count: int, generator: np.random.Generator) -> None:
        self._count = count
        self._half = max(1, -(-(count - 1).bit_length() // 2))
        self._keys = [int(key) for key in generator.integers(1 << 63, size=_ROUNDS)]

    def __getitem__(self, place: int) -> int:
        """The number at ``place``, which is below ``count``."""
        number = self._permuted(place)
        while number >= self._count:
            number = self._permuted(number)
        return number

    def _permuted(self, number: int) -> int:
        mask = (1 << self._half) - 1
        left, right = number >> self._half, number & mask
        for key in self._keys:
            left, right = right, left ^ (_mixed(right + key) & mask)
        return left << self._half | right


def _mixed(number: int) -> int:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    number &= _64_BITS
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & _64_BITS
    number = (number ^ number >> 27) * 0x94D049BB133111EB & _64_BITS
    return number ^ number >> 31
