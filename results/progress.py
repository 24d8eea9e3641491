"""How the front of a search grew, evaluation by evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from nas_search.search.front import Point, hypervolume, nondominated

if TYPE_CHECKING:
    from nas_search.search.goals import Goals
    from nas_search.search.trial import TrialRecord


class Step(NamedTuple):
    """After ``evaluations`` trained candidates, ``seconds`` of training (summed over workers), and ``tokens`` of it."""

    evaluations: int
    seconds: float
    hypervolume: float
    tokens: float = 0.0


def hypervolume_steps(
    records: Iterable[TrialRecord], goals: Goals, reference: Point, work: Sequence[float] = ()
) -> list[Step]:
    """One step for each trained trial, in the order in which they ended, from the first complete one on.

    ``work`` has the tokens that each rung trains after the one below; without it tokens are not counted.
    """
    ended = sorted(
        (record for record in records if record.trained and record.finished_at is not None),
        key=lambda record: (record.finished_at, record.number),
    )
    steps: list[Step] = []
    points: list[Point] = []
    seconds = tokens = volume = 0.0
    for evaluations, record in enumerate(ended, start=1):
        seconds += record.seconds
        tokens += 0 if record.reused else sum(work[: len(record.rung_scores)])
        if record.state == "complete":
            points.append(goals.point(record))
            points = [points[index] for index in nondominated(points)]
            volume = hypervolume(points, reference)
        if points:
            steps.append(Step(evaluations, seconds, volume, tokens))
    return steps
