"""How the front of a search grew, evaluation by evaluation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from nas_search.search.front import Point, hypervolume

if TYPE_CHECKING:
    from nas_search.search.goals import Goals
    from nas_search.search.trial import TrialRecord


class Step(NamedTuple):
    """After ``evaluations`` trained candidates and ``seconds`` of training (summed over workers)."""

    evaluations: int
    seconds: float
    hypervolume: float


def hypervolume_steps(records: Iterable[TrialRecord], goals: Goals, reference: Point) -> list[Step]:
    """One step for each trained trial, in the order in which they ended, from the first complete one on."""
    ended = sorted(
        (record for record in records if record.trained and record.finished_at is not None),
        key=lambda record: (record.finished_at, record.number),
    )
    steps: list[Step] = []
    points: list[Point] = []
    seconds = 0.0
    for evaluations, record in enumerate(ended, start=1):
        seconds += record.seconds
        if record.state == "complete":
            points.append(goals.point(record))
        if points:
            steps.append(Step(evaluations, seconds, hypervolume(points, reference)))
    return steps
