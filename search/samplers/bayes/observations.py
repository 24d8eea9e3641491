"""What a study knows by now: which members were trained, what they cost and how well they did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from optuna.trial import FrozenTrial

from nas_search.search.front import LOSS_COORDINATE
from nas_search.search.goals import Goals
from nas_search.search.journal import loss_sd
from nas_search.search.problem import FloatArray
from nas_search.search.samplers.base import genome_of
from nas_search.search.samplers.bayes.recall_observations import RecallObservations, observe_recall
from nas_search.space.genome import Gene, Genome


@dataclass(frozen=True)
class Observations:
    """n different members within all limits: genomes, known coordinates [n, k], losses [n] and their noise [n] (sd).

    Losses are positive, for their logarithms: bits per byte are, other scores are moved by a constant. Recall that is
    an objective is among the known coordinates, as observed; ``recalls`` are all observations of recall.
    """

    genomes: tuple[Genome, ...]
    known: FloatArray
    losses: FloatArray
    loss_sd: FloatArray
    recalls: RecallObservations = field(default_factory=RecallObservations)

    def __len__(self) -> int:
        return len(self.genomes)


def observe(trials: Sequence[FrozenTrial], goals: Goals, genes: Sequence[Gene]) -> Observations:
    """Those of completed trials; of several with the same genome the first counts, the others repeat it."""
    found: dict[Genome, tuple[tuple[float, ...], float]] = {}
    for trial in trials:
        if len(trial.values) != len(goals.objectives):
            continue  # of a study of something else
        point = goals.minimised(trial.values)
        if all(share <= 0 for share in trial.constraints.values()) and np.isfinite(point).all():
            found.setdefault(genome_of(trial.params, genes), (point, loss_sd(trial)))
    points = np.array([point for point, _ in found.values()]).reshape(len(found), len(goals.objectives))
    losses = points[:, LOSS_COORDINATE]
    return Observations(
        genomes=tuple(found),
        known=np.delete(points, LOSS_COORDINATE, axis=1),
        losses=losses + _shift(losses),
        loss_sd=np.array([sd for _, sd in found.values()]),
        recalls=observe_recall(trials, goals, genes),
    )


def known_points(figures: Sequence[Mapping[str, float]], goals: Goals) -> FloatArray:
    """[n, k] the coordinates of all objectives but the loss, minimised, of members with these figures.

    Recall is zero where it is not among the figures.
    """
    nothing = {quantity.name: 0.0 for quantity in goals.recalls}
    points = np.array([goals.minimised(goals.values({**nothing, **one}, 0.0)) for one in figures])
    return np.delete(points.reshape(len(figures), len(goals.objectives)), LOSS_COORDINATE, axis=1)


def _shift(losses: FloatArray) -> float:
    """What makes all losses positive."""
    if not len(losses) or losses.min() > 0:
        return 0.0
    return 0.1 * float(np.ptp(losses)) + 1e-9 - float(losses.min())
