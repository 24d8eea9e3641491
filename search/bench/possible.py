"""How much hypervolume so many rows can have: what no search exceeds, since it would have to know all losses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas_search.search.bench.scale import Scale
from nas_search.search.front import Point
from nas_search.search.problem import FloatArray


def most_possible(front: Sequence[Point], scale: Scale, length: int) -> FloatArray:
    """[length] normalised hypervolume of the best 1, 2, ... of a table's front (latency, loss), rising in latency.

    By dynamic programming from the fastest member on: each chosen one adds what it dominates up to the next one
    (hypervolume subset selection in two dimensions; Bringmann, Friedrich and Klitzke, GECCO 2014).
    """
    latencies, losses = np.array(front).T
    heights = scale.reference[1] - losses
    # [n, n] what a member dominates up to the next one; below zero, so never chosen, where that one is not slower.
    between = (latencies[None, :] - latencies[:, None]) * heights[:, None]
    last = (scale.reference[0] - latencies) * heights
    left = np.zeros(len(front))
    values = []
    for _ in range(min(length, len(front))):
        values.append(float((left + last).max()))
        left = np.maximum(left, (left[:, None] + between).max(axis=0))
    return np.array(values + values[-1:] * (length - len(values))) / scale.best
