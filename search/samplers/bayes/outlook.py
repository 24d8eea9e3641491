"""What can be gained: the expected hypervolume improvement of any member, after what a study has seen so far.

Noise of losses and trials that still run are averaged over joint draws of what they truly are (Daulton et al. 2021,
"Parallel Bayesian optimization of multiple noisy objectives"), each with the closed form of
:mod:`~nas_search.search.samplers.bayes.improvement`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nas_search.search.front import beyond_worst
from nas_search.search.goals import Goals
from nas_search.search.objectives import LOSS, Quantity
from nas_search.search.problem import FloatArray, Prospect, SearchProblem
from nas_search.search.samplers.bayes.improvement import Front, expected_hypervolume_improvement
from nas_search.search.samplers.bayes.loss_model import LossDraws, features_of, fit_loss_model
from nas_search.search.samplers.bayes.observations import Observations, known_points
from nas_search.search.samplers.bayes.recall_model import RecallDraws, RecallModel
from nas_search.space.genome import Genome

DRAWS = 8
MARGIN = 0.02
"""The reference point lies beyond the worst of everything by this share of its range, so that extremes count too."""


@dataclass(frozen=True)
class Outlook:
    """``known`` [n, k] are the coordinates of trained and running members, ``draws`` of their losses.

    The reference point is that of ``known`` coordinates [k] and of the loss. ``recall`` has draws of what they recall,
    if the search is about that.
    """

    problem: SearchProblem
    known: FloatArray
    draws: LossDraws
    reference: tuple[FloatArray, float]
    recall: RecallDraws | None = None

    def improvement(self, prospects: Sequence[Prospect]) -> FloatArray:
        """[m] expected hypervolume improvements, in the product of all objectives' units."""
        features = features_of(self.problem, prospects)
        means, sd = self.draws.elsewhere(features)
        known = known_points([prospect.figures for prospect in prospects], self.problem.goals)
        if self.recall is not None:
            front = (self.known, self.draws.log_losses)
            return self.recall.improvement(features, known, (means, sd), front, self.reference)
        gains = [
            expected_hypervolume_improvement(known, mean, sd, Front(self.known, np.exp(drawn)), self.reference)
            for mean, drawn in zip(means, self.draws.log_losses, strict=True)
        ]
        mean: FloatArray = np.mean(gains, axis=0)
        return mean


def look_ahead(
    problem: SearchProblem,
    observed: Observations,
    running: Sequence[Genome],
    others: Sequence[Prospect],
    rng: np.random.Generator,
) -> Outlook:
    """The outlook after at least one loss was observed, here or in runs that the search is warm-started with.

    ``others`` are members that the reference point must not exclude.
    """
    waiting = problem.members.prospects(running)
    model = fit_loss_model(problem, observed)
    draws = model.draw(features_of(problem, waiting), DRAWS, rng)
    known = np.vstack([observed.known, known_points([one.figures for one in waiting], problem.goals)])
    everything = np.vstack([known, known_points([one.figures for one in others], problem.goals)])
    recall = _recall(problem, observed, waiting, rng) if problem.goals.recalls else None
    return Outlook(problem, known, draws, (_bounds(everything, problem.goals), _beyond(model.losses)), recall)


def _recall(
    problem: SearchProblem, observed: Observations, waiting: Sequence[Prospect], rng: np.random.Generator
) -> RecallDraws:
    members = [*problem.members.prospects(observed.genomes), *waiting]
    model = RecallModel.fit(problem, observed.recalls)
    return model.draw(features_of(problem, members), len(observed), DRAWS, rng)


def _bounds(known: FloatArray, goals: Goals) -> FloatArray:
    """The reference of known coordinates: limits where there are, else a little beyond the worst; none for recall."""
    limits: dict[Quantity, float] = dict.fromkeys(goals.recalls, 0.0)
    limits |= {limit.quantity: limit.quantity.minimised(limit.bound) for limit in goals.limits}
    quantities = [quantity for quantity in goals.objectives if quantity.name != LOSS]
    return np.array([limits.get(one, _beyond(known[:, column])) for column, one in enumerate(quantities)])


def _beyond(values: FloatArray) -> float:
    worst, beyond = float(values.max()), float(beyond_worst(values, MARGIN))
    return beyond if beyond > worst else worst + MARGIN * abs(worst)
