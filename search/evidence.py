"""What a search has learned on its ladder from the trials that were told, as a value that never changes."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

from nas_search.search.front import Point, nondominated
from nas_search.search.learning_curves import LearningCurves
from nas_search.search.problem import FloatArray


class Standing(NamedTuple):
    """A candidate on the ladder.

    ``known`` are its objectives but for the loss, less is better; ``losses`` those at the rungs that it has reached, in
    bits per byte. ``features`` [k] describe it to a model of the loss.
    """

    known: Point
    losses: tuple[float, ...]
    features: FloatArray
    parameters: int

    @property
    def cost(self) -> float:
        """Of training on a token, relative to other candidates; all alike where parameters are not known."""
        return sqrt(max(self.parameters, 1))


@dataclass(frozen=True, eq=False)
class Evidence:
    """More evidence is another value, so a decision can be made by what was known at some moment.

    ``work`` has the tokens that each rung trains after the one below. ``front`` are the non-dominated points of the top
    rung, the loss as their last coordinate. All ``trials`` together took ``tokens``; ``cost`` is the sum of theirs.
    """

    work: tuple[float, ...]
    curves: LearningCurves
    front: tuple[Point, ...] = ()
    trials: int = 0
    tokens: float = 0.0
    cost: float = 0.0

    @classmethod
    def none(cls, work: tuple[float, ...], features: int) -> Evidence:
        """Before the first trial, for candidates with so many features."""
        return cls(work, LearningCurves.none(len(work), features))

    def with_trial(self, standing: Standing) -> Evidence:
        """With one more trial, as it stands in the end: at least one rung was done."""
        reached = len(standing.losses)
        curves = self.curves
        for rungs in range(2, reached + 1):
            curves = curves.with_step(standing.losses[:rungs], standing.features)
        front = self.front
        if reached == len(self.work):
            front = _with_point(front, (*standing.known, standing.losses[-1]))
        tokens = self.tokens + sum(self.work[:reached])
        return Evidence(self.work, curves, front, self.trials + 1, tokens, self.cost + standing.cost)

    def best(self, known: Point) -> float | None:
        """The lowest loss at the top of what is nowhere worse than ``known``; None if there is no such trial."""
        return min((point[-1] for point in self.front if _nowhere_worse(point[:-1], known)), default=None)

    @property
    def rate(self) -> float:
        """Members of the front for as many tokens as it takes a candidate to the top."""
        return len(self.front) * sum(self.work) / self.tokens

    def needed(self, standing: Standing) -> float:
        """The training from where a candidate stands to the top, in units of the whole of an average one."""
        size = standing.cost * (self.trials + 1) / (self.cost + standing.cost)
        return size * sum(self.work[len(standing.losses) :]) / sum(self.work)


def _with_point(front: tuple[Point, ...], point: Point) -> tuple[Point, ...]:
    points = (*front, point)
    return tuple(points[index] for index in nondominated(points))


def _nowhere_worse(one: Point, other: Point) -> bool:
    return all(mine <= theirs for mine, theirs in zip(one, other, strict=True))
