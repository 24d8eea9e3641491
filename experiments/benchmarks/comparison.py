"""Contestants that compute the same, timed in turn in one process.

A ratio is the median over rounds of theirs / ours with a 95 % bootstrap interval: a busy machine slows all contestants
of a round alike. On a CPU times are CPU time of the thread.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.markup import escape
from rich.table import Table
from torch import Tensor

OURS = "nas-search"
# Largest norm of a difference over the norm of what we compute, all in float32.
AGREEMENT = 1e-5
# Parameters of glibc's mallopt, and the largest value of an int.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST = 2**31 - 1
UNITS = {"ms": 1.0, "µs": 1e3}

Run = Callable[[], tuple[Tensor, ...]]
Contestant = Callable[[], Run]
Timer = Callable[[Run], float]
"""Milliseconds of one run."""


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


def check_agreement(comparison: Comparison, bound: float = AGREEMENT) -> None:
    """Raise RuntimeError unless all contestants give the same tensors."""
    (_, ours), *others = comparison.contestants.items()
    expected = ours()()
    for name, contestant in others:
        for index, (output, wanted) in enumerate(zip(contestant()(), expected, strict=True)):
            error = ((output - wanted).norm() / wanted.norm()).item()
            if not error < bound:
                raise RuntimeError(f"{comparison.what}: tensor {index} of {name} differs from ours by {error:.1e}")


def compare(comparison: Comparison, rounds: Rounds) -> list[Row]:
    """Time all contestants in turn, once they agree, which warms them up."""
    n = rounds.count(cpu_ms(lambda: check_agreement(comparison)) / 1e3)
    return summarise(comparison, take_turns(comparison.contestants.values(), n, cpu_ms))


def take_turns(contestants: Iterable[Contestant], rounds: int, timer: Timer) -> NDArray[np.float64]:
    """Milliseconds [rounds, contestants]; making ready is not timed."""
    runs = tuple(contestants)
    return np.array([[timer(contestant()) for contestant in runs] for _ in range(rounds)])


def summarise(comparison: Comparison, times: NDArray[np.float64]) -> list[Row]:
    """Figures of every contestant from milliseconds [rounds, contestants]."""
    times = times / comparison.tokens
    rows = []
    for name, column in zip(comparison.contestants, times.T, strict=True):
        ratios = column / times[:, 0]
        low, high = bootstrap_interval(ratios)
        first_quartile, third_quartile = np.quantile(column, (0.25, 0.75))
        rows.append(
            Row(
                operator=comparison.operator,
                regime=comparison.regime,
                what=comparison.what,
                contestant=name,
                n=len(column),
                median_ms=float(np.median(column)),
                quartiles_ms=(float(first_quartile), float(third_quartile)),
                ratio=float(np.median(ratios)),
                ratio_low=low,
                ratio_high=high,
            )
        )
    return rows


def bootstrap_interval(samples: NDArray[np.float64]) -> tuple[float, float]:
    """The 95 % interval of the median; the same draws for all samples of equal length."""
    draws = np.random.default_rng(0).integers(len(samples), size=(2000, len(samples)))
    low, high = np.quantile(np.median(samples[draws], axis=1), (0.025, 0.975))
    return float(low), float(high)


def cpu_ms(run: Callable[[], object]) -> float:
    """CPU time of this thread for one call."""
    start = time.thread_time_ns()
    run()
    return (time.thread_time_ns() - start) / 1e6


def comparison_table(rows: list[Row], title: str, unit: str = "ms") -> Table:
    """Every contestant, ours first in each comparison."""
    scale = UNITS[unit]
    table = Table("operator", "contestant", title=title)
    for column in ("n", f"median {unit}", f"quartiles {unit}", "time / ours [95 %]"):
        table.add_column(column, justify="right")
    for row in rows:
        ours = row.contestant == OURS
        low, high = row.quartiles_ms
        table.add_row(
            escape(row.what) if ours else "",
            row.contestant,
            str(row.n),
            f"{row.median_ms * scale:.1f}",
            f"{low * scale:.1f} - {high * scale:.1f}",
            "" if ours else f"{row.ratio:.2f} [{row.ratio_low:.2f}, {row.ratio_high:.2f}]",
        )
    return table
