"""The model of a search's loss: a Gaussian process on log losses, with what other runs found where there are any.

Runs with the same score add observations. Runs with another one, e.g. of another token budget, add a prior mean: the
process models what is left of the loss after a multiple of what they lead to expect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nas_search.search.problem import FloatArray, PriorSource, Prospect, SearchProblem
from nas_search.search.samplers.bayes.observations import Observations
from nas_search.search.samplers.bayes.surrogate import Draws, Surrogate, fit_surrogate
from nas_search.space.genome import Genome

SLOPE_WEIGHT = 4.0
"""So many observations weigh as much as the assumption that a log loss of another score goes with this one's, one to
one."""
LEAST_LATENCY_MS = 1e-6
"""Calibrated figures of the smallest networks may be zero or less, which have no logarithm."""
LEAST_RESIDUAL = 0.25
"""What other scores leave open is at least this share of how much their log losses spread."""


@dataclass(frozen=True)
class PriorMean:
    """The mean over runs with other scores of what they lead to expect of log losses, times ``slope``."""

    surrogates: tuple[Surrogate, ...] = ()
    slope: float = 1.0

    def __call__(self, features: FloatArray) -> FloatArray:
        """[n] at [n, k] points; zero without such runs."""
        if not self.surrogates:
            return np.zeros(len(features))
        expected: FloatArray = np.mean([surrogate.predict(features)[0] for surrogate in self.surrogates], axis=0)
        return self.slope * expected


@dataclass(frozen=True)
class LossModel:
    """A fitted model. ``losses`` are those that it learned from, ``trained`` [n, k] features of those from here."""

    surrogate: Surrogate
    prior_mean: PriorMean
    losses: FloatArray
    trained: FloatArray

    def draw(self, waiting: FloatArray, samples: int, rng: np.random.Generator) -> LossDraws:
        """Joint draws of the true log losses of members that were trained here and of w others, features [w, k]."""
        features = np.vstack([self.trained, waiting])
        draws = self.surrogate.draw(features, samples, rng)
        return LossDraws(draws, self.prior_mean, draws.targets + self.prior_mean(features))


@dataclass(frozen=True)
class LossDraws:
    """Draws of log losses [s, n + w]."""

    draws: Draws
    prior_mean: PriorMean
    log_losses: FloatArray

    def elsewhere(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What each draw leaves to expect of log losses at m other points: [s, m] means and [m] deviations."""
        means, sd = self.draws.elsewhere(features)
        return means + self.prior_mean(features), sd


class Scores(NamedTuple):
    """n losses > 0 with their noise (sd), and the features [n, k] of the members that they are of."""

    features: FloatArray
    losses: FloatArray
    loss_sd: FloatArray

    def surrogate(self, prior_mean: PriorMean, least_scale: float = 0.0) -> Surrogate:
        """A process of what ``prior_mean`` leaves of the log losses."""
        left = np.log(self.losses) - prior_mean(self.features)
        return fit_surrogate(self.features, left, (self.loss_sd / self.losses) ** 2, least_scale)


def fit_loss_model(problem: SearchProblem, observed: Observations) -> LossModel:
    """The model after what was observed here and in the runs that the search is warm-started with.

    There must be one or the other.
    """
    trained = _with_latency(problem.members.features(observed.genomes), observed.known[:, 0])
    own = Scores(trained, observed.losses, observed.loss_sd)
    same = [_scores(problem, source, without=observed.genomes) for source in problem.prior if source.same_score]
    other = [_scores(problem, source) for source in problem.prior if not source.same_score]
    scores = _stacked([own, *same])
    if not len(scores.losses):
        scores = _stacked(other)
        return LossModel(scores.surrogate(PriorMean()), PriorMean(), scores.losses, trained)
    prior_mean = _fitted([one.surrogate(PriorMean()) for one in other], scores)
    spread = float(np.std(np.concatenate([np.log(one.losses) for one in other]))) if other else 0.0
    return LossModel(scores.surrogate(prior_mean, LEAST_RESIDUAL * spread), prior_mean, scores.losses, trained)


def _fitted(surrogates: Sequence[Surrogate], scores: Scores) -> PriorMean:
    """With the slope that suits ``scores``, drawn towards one (ridge regression)."""
    whole = PriorMean(tuple(surrogates))
    if not surrogates:
        return whole
    expected, logs = whole(scores.features), np.log(scores.losses)
    x, y = expected - expected.mean(), logs - logs.mean()
    spread = float(np.mean([surrogate.scale**2 for surrogate in surrogates]))
    weight = SLOPE_WEIGHT * spread
    return PriorMean(whole.surrogates, float((x @ y + weight) / (x @ x + weight)))


def _scores(problem: SearchProblem, source: PriorSource, without: Sequence[Genome] = ()) -> Scores:
    """Those of another run, but for members that were trained here too."""
    here = set(without)
    rows = np.array([genome not in here for genome in source.genomes])
    latencies = [problem.latency(prospect) for prospect in problem.members.prospects(source.genomes)]
    features = _with_latency(source.features, latencies)
    return Scores(features[rows], source.losses[rows], source.loss_sd[rows])


def _stacked(scores: Sequence[Scores]) -> Scores:
    return Scores(*(np.concatenate(columns) for columns in zip(*scores, strict=True)))


def features_of(problem: SearchProblem, prospects: Sequence[Prospect]) -> FloatArray:
    """[n, k] the members' features, and the logarithm of their latency."""
    features = problem.members.features([prospect.genome for prospect in prospects])
    return _with_latency(features, [problem.latency(prospect) for prospect in prospects])


def _with_latency(features: FloatArray, latencies: Sequence[float] | FloatArray) -> FloatArray:
    return np.column_stack([features, np.log(np.maximum(latencies, LEAST_LATENCY_MS))])
