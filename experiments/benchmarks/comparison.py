"""Contestants that compute the same, timed in turn in one process.

Times are CPU time of the thread, and a ratio is the median over rounds of theirs / ours with a 95 % bootstrap interval:
a busy machine slows all contestants of a round alike.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import Tensor

OURS = "nas-search"
# Largest norm of a difference over the norm of what we compute, all in float32.
AGREEMENT = 1e-5
# Parameters of glibc's mallopt, and the largest value of an int.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST = 2**31 - 1

Run = Callable[[], tuple[Tensor, ...]]
Contestant = Callable[[], Run]


@dataclass(frozen=True)
class Comparison:
    """Contestants by name, ours first. Each makes ready a run, and the run alone is timed.

    ``tokens`` says how many equal parts a run has, if the time of one is wanted.
    """

    operator: str
    regime: str
    what: str
    contestants: Mapping[str, Contestant]
    tokens: int = 1


class Rounds(NamedTuple):
    """As many rounds as fit into ``seconds`` of CPU time, within bounds."""

    least: int
    most: int
    seconds: float

    def count(self, one: float) -> int:
        """The number of rounds, from the seconds of one."""
        return min(self.most, max(self.least, int(self.seconds / one)))


@dataclass(frozen=True)
class Row:
    """One contestant's figures; the ratio is its time over ours."""

    operator: str
    regime: str
    what: str
    contestant: str
    n: int
    median_ms: float
    quartiles_ms: tuple[float, float]
    ratio: float
    ratio_low: float
    ratio_high: float


def keep_freed_memory() -> None:
    """Have glibc, where it is glibc that allocates, return no memory to the system.

    Otherwise whoever runs after a contestant that freed much pays for getting it back, and contestants that need much
    themselves spend most of their time on it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD):
            mallopt(parameter, LARGEST)


def check_agreement(comparison: Comparison) -> None:
    """Raise RuntimeError unless all contestants give the same tensors."""
    (_, ours), *others = comparison.contestants.items()
    expected = ours()()
    for name, contestant in others:
        for index, (output, wanted) in enumerate(zip(contestant()(), expected, strict=True)):
            error = ((output - wanted).norm() / wanted.norm()).item()
            if not error < AGREEMENT:
                raise RuntimeError(f"{comparison.what}: tensor {index} of {name} differs from ours by {error:.1e}")


def compare(comparison: Comparison, rounds: Rounds) -> list[Row]:
    """Time all contestants in turn, once they agree, which warms them up."""
    n = rounds.count(cpu_ms(lambda: check_agreement(comparison)) / 1e3)
    runs = comparison.contestants.values()
    times = np.array([[cpu_ms(contestant()) for contestant in runs] for _ in range(n)]) / comparison.tokens
    draws = np.random.default_rng(0).integers(n, size=(2000, n))
    rows = []
    for name, column in zip(comparison.contestants, times.T, strict=True):
        ratios = column / times[:, 0]
        low, high = np.quantile(np.median(ratios[draws], axis=1), (0.025, 0.975))
        first_quartile, third_quartile = np.quantile(column, (0.25, 0.75))
        rows.append(
            Row(
                operator=comparison.operator,
                regime=comparison.regime,
                what=comparison.what,
                contestant=name,
                n=n,
                median_ms=float(np.median(column)),
                quartiles_ms=(float(first_quartile), float(third_quartile)),
                ratio=float(np.median(ratios)),
                ratio_low=float(low),
                ratio_high=float(high),
            )
        )
    return rows


def cpu_ms(run: Callable[[], object]) -> float:
    """CPU time of this thread for one call."""
    start = time.thread_time_ns()
    run()
    return (time.thread_time_ns() - start) / 1e6
