"""Medians that a noisy machine does not move, and how well they are known."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from math import ceil
from typing import Literal, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

ClockName = Literal["wall", "device"]
Matrix = NDArray[np.float64]

# "device" is CPU time of the thread on a CPU, and time between two events on a GPU.
# Above this ratio of wall to CPU time somebody else is using the processor, and wall time says more about them.
BUSY_RATIO = 1.2
TRIMMED = 0.1
# Samples on either side: enough that spikes do not count as drift, few enough to follow another process that comes and
# goes.
DRIFT_REACH = 7
DRIFT_PASSES = 4


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

    A sample's ratio to its task's median says how fast the machine was. The drift is the median ratio of the samples
    that were timed just before and after one (``order`` [rounds, tasks]), without the sample itself: divided by what
    it helped to find, its own noise would shrink, and intervals with it. The drift is scaled to a median of one, so
    that the level stays that of the machine's usual speed. One task alone cannot tell its own changes from the
    machine's, and is left as it is.
    """
    tasks, rounds = samples.shape
    if tasks == 1:
        return samples
    when = (order.ravel(), np.repeat(np.arange(rounds), tasks))
    steady = samples
    for _ in range(DRIFT_PASSES):
        levels = np.median(steady, axis=1, keepdims=True)
        drift = _median_of_neighbours((samples / levels)[when])
        steady = samples.copy()
        steady[when] /= drift / np.median(drift)
    return steady


def _median_of_neighbours(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each value the median of the DRIFT_REACH values on either side; the ends repeat outwards."""
    windows = sliding_window_view(np.pad(values, DRIFT_REACH, mode="edge"), 2 * DRIFT_REACH + 1)
    return np.asarray(np.median(np.delete(windows, DRIFT_REACH, axis=1), axis=1))


def is_busy(wall_ms: Matrix, cpu_ms: Matrix) -> bool:
    """Whether a processor served others too while these samples were taken (any equal shapes).

    The tenth that waited longest does not count, nor that which waited least: a machine that was suspended for an
    hour, or a clock that was set, was not busy.
    """
    wall, cpu = wall_ms.ravel(), cpu_ms.ravel()
    cut = min(ceil(TRIMMED * len(wall)), (len(wall) - 1) // 2)
    middle = np.argsort(wall - cpu)[cut : len(wall) - cut]
    return float(np.sum(wall[middle])) > BUSY_RATIO * float(np.sum(cpu[middle]))


def choose_clock(wall_ms: Matrix, cpu_ms: Matrix) -> ClockName:
    """Wall time, which is what a user waits for, unless the machine is busy."""
    return "device" if is_busy(wall_ms, cpu_ms) else "wall"


def shared_clock(clocks: Iterable[ClockName]) -> ClockName:
    """One clock for figures that are compared: the device's as soon as one of them counts on it."""
    return "device" if "device" in clocks else "wall"
