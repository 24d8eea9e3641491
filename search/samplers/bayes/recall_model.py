"""The models of recall: a Gaussian process on the accuracies of each task, independent of each other and of the loss.

Accuracies lie between 0 and 1; what is drawn beyond counts as 0 or 1. The closed form of
:mod:`~nas_search.search.samplers.bayes.improvement` has one unknown objective, the loss. Where recall is an objective
too, it is drawn: each draw is a known coordinate, and the mean over draws is the expected improvement. Limits on recall
that is no objective multiply it by the probability that they are kept (Gelbart, Snoek and Adams 2014, "Bayesian
optimization with unknown constraints").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from nas_search.search.goals import Goals
from nas_search.search.objectives import LOSS, Quantity
from nas_search.search.problem import FloatArray, Prospect, SearchProblem
from nas_search.search.samplers.bayes.improvement import Front, expected_hypervolume_improvement
from nas_search.search.samplers.bayes.loss_model import features_of
from nas_search.search.samplers.bayes.recall_observations import RecallObservations
from nas_search.search.samplers.bayes.surrogate import Draws, Surrogate, fit_surrogate

LEAST_SCALE = 0.5
"""Accuracies are taken to spread by so much at least: that the few which were seen are alike says little of others."""
NODES = 4
"""Draws of a candidate's recall for each joint draw of what is true of all others."""


@dataclass(frozen=True)
class RecallModel:
    """A fitted process for each task of ``goals.recalls``."""

    problem: SearchProblem
    surrogates: tuple[Surrogate, ...]

    @classmethod
    def fit(cls, problem: SearchProblem, observed: RecallObservations) -> RecallModel:
        """The model after at least one member was trained on recall."""
        features = features_of(problem, problem.members.prospects(observed.genomes))
        noise = np.zeros(len(observed))
        fitted = (fit_surrogate(features, values, noise, LEAST_SCALE) for values in observed.accuracies.T)
        return cls(problem, tuple(fitted))

    def chance_within(self, prospects: Sequence[Prospect]) -> FloatArray:
        """[m] the probability that all limits on recall are kept."""
        features, goals = features_of(self.problem, prospects), self.problem.goals
        bounds = {limit.quantity: limit.bound for limit in goals.limits}
        expected = (surrogate.predict(features) for surrogate in self.surrogates)
        chances = [_chance(bounds.get(task), *one) for task, one in zip(goals.recalls, expected, strict=True)]
        chance: FloatArray = np.prod(chances, axis=0)
        return chance

    def draw(self, features: FloatArray, observed: int, samples: int, rng: np.random.Generator) -> RecallDraws:
        """Joint draws of what n members truly recall, features [n, k]; the first ``observed`` keep all limits."""
        goals = self.problem.goals
        draws = tuple(surrogate.draw(features, samples, rng) for surrogate in self.surrogates)
        traded = [quantity for quantity in goals.objectives if quantity.is_recall]
        shape = (samples, NODES if traded else 1, len(traded))
        strata = rng.permuted(np.broadcast_to(np.arange(shape[1])[:, None], shape), axis=1)
        return RecallDraws(goals, draws, ndtri((strata + rng.random(shape)) / shape[1]), observed)


@dataclass(frozen=True)
class RecallDraws:
    """``draws`` of each task's accuracies at n members, s of each.

    ``nodes`` [s, c, r] are the standard normal numbers behind c draws of any candidate's recall, where r tasks are
    objectives: the same for all candidates, so that they compare, and spread evenly over c strata.
    """

    goals: Goals
    draws: tuple[Draws, ...]
    nodes: FloatArray
    observed: int

    def improvement(
        self,
        features: FloatArray,
        known: FloatArray,
        losses: tuple[FloatArray, FloatArray],
        front: tuple[FloatArray, FloatArray],
        reference: tuple[FloatArray, float],
    ) -> FloatArray:
        """[m] expected hypervolume improvements of candidates with ``features`` and ``known`` coordinates [m, k].

        ``losses`` are means [s, m] and deviations [m] of their log losses; ``front`` the known coordinates [n, k] and
        log losses [s, n] of the members. Columns of recall in either are overwritten.
        """
        expected = dict(zip(self.goals.recalls, (draws.elsewhere(features) for draws in self.draws), strict=True))
        means, sd = losses
        total = np.zeros(len(known))
        for sample, nodes in enumerate(self.nodes):
            here = {task: (mean[sample], deviation) for task, (mean, deviation) in expected.items()}
            placed = np.vstack([self._placed(known, self._values(here, node)) for node in nodes])
            repeated = (np.tile(means[sample], len(nodes)), np.tile(sd, len(nodes)))
            there = self._front(sample, front[0], front[1][sample])
            gains = expected_hypervolume_improvement(placed, *repeated, there, reference)
            total += gains.reshape(len(nodes), -1).mean(axis=0) * self._chance(here)
        return total / len(self.nodes)

    def _front(self, sample: int, known: FloatArray, log_losses: FloatArray) -> Front:
        """The members as one draw has them; what runs is among them if it keeps the limits."""
        targets = {task: draws.targets[sample] for task, draws in zip(self.goals.recalls, self.draws, strict=True)}
        kept = np.ones(len(known), dtype=bool)
        for task, bound in self._bounds.items():
            kept[self.observed :] &= targets[task][self.observed :] >= bound
        traded = [targets[quantity] for quantity in self._traded]
        return Front(self._placed(known, traded)[kept], np.exp(log_losses)[kept])

    def _values(self, expected: Mapping[Quantity, tuple[FloatArray, FloatArray]], node: FloatArray) -> list[FloatArray]:
        """[m] accuracies on each task that is an objective, so many deviations from their means."""
        found = (expected[quantity] for quantity in self._traded)
        return [mean + normal * sd for normal, (mean, sd) in zip(node, found, strict=True)]

    def _placed(self, known: FloatArray, accuracies: Sequence[FloatArray]) -> FloatArray:
        """Known coordinates with these accuracies in their columns."""
        placed = known.copy()
        columns = [place for place, quantity in enumerate(_but_loss(self.goals)) if quantity.is_recall]
        for column, values in zip(columns, accuracies, strict=True):
            placed[:, column] = -np.clip(values, 0.0, 1.0)
        return placed

    def _chance(self, expected: Mapping[Quantity, tuple[FloatArray, FloatArray]]) -> FloatArray | float:
        """That limits are kept; those on objectives are in the reference point."""
        chance: FloatArray | float = 1.0
        for task, bound in self._bounds.items():
            chance = chance * _chance(bound, *expected[task])
        return chance

    @property
    def _traded(self) -> list[Quantity]:
        return [quantity for quantity in self.goals.objectives if quantity.is_recall]

    @property
    def _bounds(self) -> dict[Quantity, float]:
        """The limits on recall that is no objective."""
        limited = [limit for limit in self.goals.limits if limit.quantity.is_recall]
        return {limit.quantity: limit.bound for limit in limited if limit.quantity not in self._traded}


def _chance(bound: float | None, mean: FloatArray, sd: FloatArray) -> FloatArray:
    """[m] of at least ``bound``; certain without one."""
    chance: FloatArray = np.ones_like(mean) if bound is None else ndtr((mean - bound) / sd)
    return chance


def _but_loss(goals: Goals) -> list[Quantity]:
    return [quantity for quantity in goals.objectives if quantity.name != LOSS]
