"""Tournaments: who of a sample of the population becomes a parent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nas_search.search.front import Point, beyond_worst, contributions, ranks
from nas_search.search.samplers.evolution.population import Member

Selector = Callable[[Sequence[Member]], Member]
"""The best of some members that are within all limits."""
MARGIN = 0.1
"""Beyond the worst of a sample, by this share of its range, lies the reference point of hypervolumes: so both ends of
its front contribute too."""


def tournament(sample: Sequence[Member], select: Selector) -> Member:
    """The one that ``select`` prefers among those within all limits, or else the one that misses them least.

    Of those that miss them equally it is the youngest.
    """
    feasible = [member for member in sample if not member.excess]
    return select(feasible) if feasible else min(sample, key=lambda member: (member.excess, -member.age))


def greatest_contribution(members: Sequence[Member]) -> Member:
    """The non-dominated member that adds most to the hypervolume of the others, in the objectives without a limit.

    With a limit on latency and two objectives that is the published rule: the lowest loss within the target. Without
    any limit the lowest loss alone would drift to the slowest.
    """
    points = [member.traded for member in members]
    front = [member for member, rank in zip(members, ranks(points), strict=True) if rank == 0]
    added = contributions([member.traded for member in front], _reference(points))
    return front[int(np.argmax(added))]


def _reference(points: Sequence[Point]) -> Point:
    return tuple(beyond_worst(np.array(points), MARGIN).tolist())
