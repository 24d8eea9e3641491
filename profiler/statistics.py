"""Medians that a noisy machine does not move, and how well they are known."""

from __future__ import annotations

from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

ClockName = Literal["wall", "cpu"]
Matrix = NDArray[np.float64]

# Above this ratio of wall to CPU time somebody else is using the processor, and wall time says more about them.
BUSY_RATIO = 1.2
# Wide enough that a few spikes do not count as drift, short enough to follow another process coming and going.
DRIFT_WINDOW = 15
MIN_DRIFT_TASKS = 5


class Median(NamedTuple):
    """A median with its 95 % interval, in the unit of the samples."""

    value: float
    low: float
    high: float


def median_interval(samples: NDArray[np.float64]) -> Median:
    """Median and its distribution-free 95 % interval: order statistics by the binomial distribution.

    With fewer than six samples no such interval exists; the whole range is given.
    """
    ordered = np.sort(samples)
    low, high = _interval_ranks(len(ordered))
    return Median(float(np.median(ordered)), float(ordered[low]), float(ordered[high]))


def worst_interval_share(samples: Matrix) -> float:
    """The widest half interval of [tasks, rounds], as a share of its median."""
    ordered = np.sort(samples, axis=1)
    low, high = _interval_ranks(samples.shape[1])
    half = (ordered[:, high] - ordered[:, low]) / 2
    return float(np.max(half / np.median(ordered, axis=1)))


@cache
def _interval_ranks(n: int) -> tuple[int, int]:
    """Zero-based ranks of the order statistics that hold the median with at least 95 %."""
    from scipy.stats import binom

    rank = int(binom.ppf(0.025, n, 0.5))
    low = max(0, rank - 1)
    return low, n - 1 - low


def without_drift(samples: Matrix, order: NDArray[np.int64]) -> Matrix:
    """``samples`` [tasks, rounds] with the machine's changing speed divided out.

    A sample's ratio to its task's median says how fast the machine was. In the order in which they were timed
    (``order`` [rounds, tasks]) the running median of these ratios over DRIFT_WINDOW samples is the drift; it is
    scaled to a median of one, so the level stays. With fewer than five tasks a task would be compared with itself
    mostly, and nothing is changed.
    """
    from scipy.ndimage import median_filter

    tasks, rounds = samples.shape
    if tasks < MIN_DRIFT_TASKS:
        return samples
    when = (order.ravel(), np.repeat(np.arange(rounds), tasks))
    steady = samples
    for _ in range(2):
        ratios = samples / np.median(steady, axis=1, keepdims=True)
        drift = median_filter(ratios[when], size=DRIFT_WINDOW, mode="nearest")
        steady = samples.copy()
        steady[when] /= drift / np.median(drift)
    return steady


def is_busy(wall_ms: Matrix, cpu_ms: Matrix) -> bool:
    """Whether the machine served others too while these samples were taken (any equal shapes)."""
    return float(np.sum(wall_ms)) > BUSY_RATIO * float(np.sum(cpu_ms))


def choose_clock(wall_ms: Matrix, cpu_ms: Matrix) -> ClockName:
    """Wall time, which is what a user waits for, unless the machine is busy."""
    return "cpu" if is_busy(wall_ms, cpu_ms) else "wall"
