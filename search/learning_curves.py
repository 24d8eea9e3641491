"""Learning curves: the loss that a candidate would reach at the top rung, from its losses at lower ones.

From each rung to the next the logarithm of the loss changes by what a regression on that loss and the candidate's
features says, learned from all candidates that made the step. Steps are chained, so the lower ones, which most
candidates make, teach what they can. Nothing known means no change, and a wide spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, exp, expm1, log, sqrt
from typing import NamedTuple

import numpy as np

from nas_search.search.problem import FloatArray
from nas_search.search.shrunken_regression import Moments, Regression

CHANGE = 0.3
"""What to expect of a step before any candidate made it: a standard deviation of the change of the log loss."""
NOISE = 0.03
"""The same of what candidates differ in. Both are soon outweighed by what was seen."""
LEAST_LOSS = 1e-6
"""Bits per byte; what is below counts as this, so that there is a logarithm."""


class Forecast(NamedTuple):
    """A lognormal loss, by the mean and the standard deviation of its logarithm."""

    log_mean: float
    log_sd: float

    @property
    def loss(self) -> float:
        """The expected loss in bits per byte."""
        return exp(self.log_mean + self.log_sd**2 / 2)

    @property
    def sd(self) -> float:
        """Its standard deviation in bits per byte."""
        return self.loss * sqrt(expm1(self.log_sd**2))

    def chance_below(self, loss: float) -> float:
        """The probability of a lower loss than this."""
        return 0.5 * erfc((self.log_mean - _log(loss)) / (sqrt(2) * self.log_sd))


@dataclass(frozen=True, eq=False)
class LearningCurves:
    """What is known of each step from a rung to the next; adding to it makes another one."""

    steps: tuple[Regression, ...]

    @classmethod
    def none(cls, rungs: int, features: int) -> LearningCurves:
        """Nothing, of so many rungs and of candidates with so many features."""
        step = Regression(Moments.none(1 + features), noise=NOISE, constant=CHANGE)
        return cls((step,) * (rungs - 1))

    def with_step(self, losses: Sequence[float], features: FloatArray) -> LearningCurves:
        """With the last step of a candidate whose losses at rungs 0, 1, ... are given; ``features`` is [k]."""
        if len(losses) < 2:
            return self
        step = len(losses) - 2
        before, after = (_log(loss) for loss in losses[-2:])
        taught = self.steps[step].with_row(_inputs(before, features), after - before)
        return LearningCurves((*self.steps[:step], taught, *self.steps[step + 1 :]))

    def at_top(self, losses: Sequence[float], features: FloatArray) -> Forecast:
        """What a candidate with such losses at rungs 0, 1, ... would reach at the top."""
        mean, variance = _log(losses[-1]), 0.0
        for step in self.steps[len(losses) - 1 :]:
            change, noise = step.predict(_inputs(mean, features))
            mean += change
            variance = variance * (1 + float(step.weights[0])) ** 2 + noise
        return Forecast(mean, sqrt(variance))


def _inputs(log_loss: float, features: FloatArray) -> FloatArray:
    return np.append(log_loss, features)


def _log(loss: float) -> float:
    return log(max(loss, LEAST_LOSS))
