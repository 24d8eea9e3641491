"""Bayesian linear regression from moments: sensible with no row at all, and no dearer with many than with few.

With k inputs u less their means, a target y and weights w:

    y = a + w.u + e,  e ~ N(0, s^2),  w ~ N(0, s^2 g / k),  a ~ N(0, s^2 (A / S)^2),  s^2 ~ Inv-Gamma(V / 2, V S^2 / 2)

S and A are what to expect of the noise and of the constant before there is any row, and V is the number of rows that S
counts for. How much the inputs explain, g, is the one of SIGNALS with the greatest marginal likelihood. All priors are
conjugate (Gelman et al. 2013, "Bayesian Data Analysis", section 14.8); predictions, Student's t, are given by mean and
variance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from nas_search.search.problem import FloatArray

SIGNALS = (0.01, 0.1, 1.0, 10.0, 100.0)
"""Variances that inputs of variance one may explain, in units of the noise's."""
PRIOR_ROWS = 4.0
"""More than two, so that the variance of a prediction is finite without any row."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Rows of inputs and a target, summed up: their number, means [k + 1], and products [k + 1, k + 1] about these."""

    count: int
    means: FloatArray
    products: FloatArray

    @classmethod
    def none(cls, inputs: int) -> Moments:
        """Of no rows, each of which would have so many inputs."""
        return cls(0, np.zeros(inputs + 1), np.zeros((inputs + 1, inputs + 1)))

    def with_row(self, inputs: FloatArray, target: float) -> Moments:
        """With one more row; ``inputs`` is [k]."""
        apart = np.append(inputs, target) - self.means
        share = 1 / (self.count + 1)
        return Moments(self.count + 1, self.means + share * apart, self.products + (1 - share) * np.outer(apart, apart))


class _Fit(NamedTuple):
    """The posterior: of the weights along ``axes`` of the inputs, ``spread`` being their variances over ``noise``."""

    constant: float
    weights: FloatArray
    axes: FloatArray
    spread: FloatArray
    noise: float


@dataclass(frozen=True, eq=False)
class Regression:
    """The regression on the rows of ``moments``; ``noise`` and ``constant`` are S and A, in the target's unit."""

    moments: Moments
    noise: float
    constant: float

    def with_row(self, inputs: FloatArray, target: float) -> Regression:
        """That on one more row; ``inputs`` is [k]."""
        return replace(self, moments=self.moments.with_row(inputs, target))

    @property
    def weights(self) -> FloatArray:
        """[k] expected."""
        return self._fit.weights

    def predict(self, inputs: FloatArray) -> tuple[float, float]:
        """Mean and variance of a new row's target; ``inputs`` is [k]."""
        fit = self._fit
        apart = inputs - self.moments.means[:-1]
        unknown = 1 / (self.moments.count + self._rows_of_constant) + float((apart @ fit.axes) ** 2 @ fit.spread)
        return fit.constant + float(apart @ fit.weights), fit.noise * (1 + unknown)

    @property
    def _rows_of_constant(self) -> float:
        """For so many rows counts the expectation that the constant is zero."""
        return (self.noise / self.constant) ** 2

    @cached_property
    def _fit(self) -> _Fit:
        count, means, products = self.moments.count, self.moments.means, self.moments.products
        squares, axes = np.linalg.eigh(products[:-1, :-1])
        squares = np.maximum(squares, 0.0)
        along = axes.T @ products[:-1, -1]
        shrunk = float(means[-1]) * count / (count + self._rows_of_constant)
        rows = PRIOR_ROWS + count
        whole = PRIOR_ROWS * self.noise**2 + float(products[-1, -1] + self._rows_of_constant * shrunk * means[-1])

        def likelihood(ridge: float) -> float:
            """The logarithm of the marginal likelihood, up to what does not depend on the ridge."""
            left = whole - along**2 @ (1 / (squares + ridge))
            return 0.5 * float(np.log(ridge / (squares + ridge)).sum()) - 0.5 * rows * float(np.log(left))

        ridge = max((len(along) / signal for signal in SIGNALS), key=likelihood)
        spread = 1 / (squares + ridge)
        left = whole - float(along**2 @ spread)
        return _Fit(shrunk, axes @ (along * spread), axes, spread, left / (rows - 2))
