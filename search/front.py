"""Non-dominated points and their hypervolume. Points are [n, d], all minimised; the second coordinate is the loss."""

from __future__ import annotations

from collections.abc import Sequence

import moocore
import numpy as np
from numpy.typing import NDArray

Point = tuple[float, ...]
LOSS_COORDINATE = 1


def nondominated(points: Sequence[Point]) -> list[int]:
    """Indices of the points that no other point dominates, by ascending first coordinate.

    Of equal points the first one is kept.
    """
    if not points:
        return []
    kept = np.flatnonzero(moocore.is_nondominated(_array(points)))
    return sorted((int(index) for index in kept), key=lambda index: points[index])


def ranks(points: Sequence[Point]) -> list[int]:
    """Rank of non-domination of each point: 0 on the front, 1 on the front of the rest, and so on."""
    return [int(rank) for rank in moocore.pareto_rank(_array(points))] if points else []


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """The volume that ``points`` dominate up to ``reference``; points beyond it count for nothing."""
    inside = [point for point in points if all(x < bound for x, bound in zip(point, reference, strict=True))]
    return float(moocore.hypervolume(_array(inside), ref=reference)) if inside else 0.0


def contributions(points: Sequence[Point], reference: Point) -> list[float]:
    """The hypervolume that each point adds to the others."""
    whole = hypervolume(points, reference)
    return [whole - hypervolume([*points[:i], *points[i + 1 :]], reference) for i in range(len(points))]


def beyond_worst(values: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """A reference point for ``values`` [n, d] or [n]: the worst, moved on by this ``share`` of the range."""
    low, high = values.min(axis=0), values.max(axis=0)
    reference: NDArray[np.float64] = high + share * (high - low)
    return reference


def spread(points: Sequence[Point], count: int, reference: Point) -> list[int]:
    """Indices of at most ``count`` points of a front: the one of least loss, then those that contribute most."""
    if not points or count < 1:
        return []
    added = contributions(points, reference)
    best = min(range(len(points)), key=lambda index: (points[index][LOSS_COORDINATE], points[index]))
    order = sorted(range(len(points)), key=lambda index: (index != best, -added[index], points[index]))
    return sorted(order[:count])


def _array(points: Sequence[Point]) -> NDArray[np.float64]:
    return np.array(points, dtype=np.float64)
