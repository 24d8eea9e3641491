"""What is fuzzed: something that reads input of others, and how such input is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random


@dataclass(frozen=True)
class Case:
    """``draw`` makes an input, ``read`` reads it: it returns, or raises InputError or RunError."""

    draw: Callable[[Random], bytes]
    read: Callable[[bytes], None]


@dataclass(frozen=True)
class Target:
    """``share`` of all inputs, in parts of the sum; ``make`` gets an empty folder and imports what it needs."""

    name: str
    about: str
    share: float
    make: Callable[[Path], Case]


def input_rng(seed: int, name: str, index: int) -> Random:
    """The generator of one input, so that each can be had again alone."""
    return Random(f"{seed}/{name}/{index}")
