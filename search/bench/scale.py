"""Normalised hypervolume: how much of a table's front a search has found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from nas_search.errors import InputError
from nas_search.search.front import Point, beyond_worst, hypervolume, nondominated
from nas_search.search.problem import FloatArray

MARGIN = 0.1
"""The reference lies so far beyond the worst values, as a share of their range, that both ends of a front count."""


@dataclass(frozen=True)
class Scale:
    """What hypervolumes of (latency, loss) are measured by. Both are taken as they are, not in logarithms.

    ``reference`` is the worst latency and the worst loss of the table, each moved on by a tenth of its range over the
    table; ``best`` is the hypervolume of the table's true front up to there.
    """

    reference: Point
    best: float

    @classmethod
    def of(cls, points: FloatArray) -> Scale:
        """That of a table's points [n, 2]. Raises InputError if all latencies, or all losses, are equal."""
        for name, extent in zip(("latency", "loss"), np.ptp(points, axis=0), strict=True):
            if not extent:
                raise InputError(f"the {name} of all rows is the same: there is nothing to search for")
        reference = tuple(beyond_worst(points, MARGIN).tolist())
        return cls(reference, hypervolume([tuple(point) for point in points.tolist()], reference))

    def curve(self, points: Iterable[Point], length: int) -> FloatArray:
        """[length] normalised hypervolume after each of ``points``; the last one stays if there are fewer."""
        values: list[float] = []
        front: list[Point] = []
        for point in points:
            candidates = [*front, point]
            kept = nondominated(candidates)
            if len(front) in kept:
                front = [candidates[index] for index in kept]
                values.append(hypervolume(front, self.reference) / self.best)
            else:
                values.append(values[-1])
        values = values[:length]
        return np.array(values + values[-1:] * (length - len(values)))
