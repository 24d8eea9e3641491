"""Fitting the coefficients of a scaling law: least Huber loss of the logarithm of the loss, from many starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from nas_search.proxies.scaling_law import EXPONENTS, Matrix, Vector

HUBER_DELTA = 0.01
"""Deviations of the log loss beyond it, that is beyond one per cent, count linearly."""
STARTS = 24
START_EXPONENTS = (0.05, 2.0)
# Terms where the factors have their means, as shares of the mean loss: next to nothing, and more than everything.
LEAST_TERM = 1e-10
MOST_TERM = 10.0
MAX_EVALUATIONS = 1000

Tick = Callable[[], object]


@dataclass(frozen=True, eq=False)
class LawProblem:
    """The data of a fit, scaled so that everything is of the order of one.

    ``logs`` [n, k] are the logarithms of the factors less their ``means`` [k], ``targets`` [n] those of the losses less
    their mean, ``level``. A solution is a vector theta [p]: the logarithms of L0 and of each term where the factors
    have their means, as shares of the mean loss, and of the exponents. So all coefficients are positive.
    """

    logs: Matrix
    means: Vector
    targets: Vector
    level: float

    @classmethod
    def of(cls, values: Matrix, losses: Vector) -> LawProblem:
        """From factors' values [n, k] and losses [n], all positive."""
        logs, targets = np.log(values), np.log(losses)
        means, level = logs.mean(axis=0), float(targets.mean())
        return cls(logs - means, means, targets - level, level)

    def with_targets(self, targets: Vector) -> LawProblem:
        """The same with other losses."""
        return replace(self, targets=targets)

    def fit(self, *, seed: int, tick: Tick) -> Vector:
        """The best of STARTS fits; ``tick`` is called after each."""
        rng = np.random.default_rng(seed)
        fits = []
        for _ in range(STARTS):
            fits.append(self.fit_from(self._start(rng)))
            tick()
        return min(fits, key=self.loss)

    def fit_from(self, start: Vector) -> Vector:
        """Where Levenberg-Marquardt (MINPACK) gets from one start.

        The sum of squares of signed roots of twice the Huber losses is twice their sum.
        """
        from scipy.optimize import least_squares

        found = least_squares(self._roots, start, self._roots_jacobian, method="lm", max_nfev=MAX_EVALUATIONS)
        return self._inside(found.x)

    def loss(self, theta: Vector) -> float:
        """Half the mean of the squared roots: the mean Huber loss."""
        return float(np.mean(self._roots(theta) ** 2)) / 2

    def predict(self, theta: Vector) -> Vector:
        """The targets [n] by the law."""
        return np.asarray(np.log(self._terms(theta).sum(axis=1)))

    def jacobian(self, theta: Vector) -> Matrix:
        """[n, p] derivatives of :meth:`predict`; zero for what is at its bound."""
        terms = self._terms(theta)
        shares = terms / terms.sum(axis=1, keepdims=True)
        inside = self._inside(theta)
        columns = np.empty((len(self.logs), len(theta)))
        columns[:, 0] = shares[:, 0]
        columns[:, 1::2] = shares[:, 1:]
        columns[:, 2::2] = -shares[:, 1:] * self.logs * np.exp(inside[2::2])
        return np.where(inside == theta, columns, 0.0)

    def coefficients(self, theta: Vector) -> Vector:
        """L0, a, alpha, ... [p] in the units of the data."""
        inside = self._inside(theta)
        exponents = np.exp(inside[2::2])
        found = np.empty(len(theta))
        found[0] = np.exp(inside[0] + self.level)
        found[1::2] = np.exp(inside[1::2] + self.level + exponents * self.means)
        found[2::2] = exponents
        return found

    def _start(self, rng: np.random.Generator) -> Vector:
        """The least loss shared among L0 and all terms, and exponents over more than a decade."""
        factors = self.logs.shape[1]
        theta = np.empty(1 + 2 * factors)
        shares = rng.dirichlet(np.ones(1 + factors))
        theta[[0, *range(1, len(theta), 2)]] = np.log(np.maximum(shares, LEAST_TERM)) + self.targets.min()
        least, most = np.log(START_EXPONENTS)
        theta[2::2] = rng.uniform(least, most, factors)
        return theta

    def _terms(self, theta: Vector) -> Matrix:
        """[n, 1 + k] L0 and the terms."""
        inside = self._inside(theta)
        logs = inside[1::2] - np.exp(inside[2::2]) * self.logs
        return np.asarray(np.exp(np.column_stack([np.full(len(self.logs), inside[0]), logs])))

    def _inside(self, theta: Vector) -> Vector:
        inside: Vector = np.clip(theta, np.log(LEAST_TERM), np.log(MOST_TERM))
        inside[2::2] = np.clip(theta[2::2], *np.log(EXPONENTS))
        return inside

    def _roots(self, theta: Vector) -> Vector:
        deviations = self.predict(theta) - self.targets
        sizes = np.abs(deviations)
        linear = np.sqrt(np.maximum(2 * HUBER_DELTA * sizes - HUBER_DELTA**2, 0.0))
        return np.asarray(np.sign(deviations) * np.where(sizes <= HUBER_DELTA, sizes, linear))

    def _roots_jacobian(self, theta: Vector) -> Matrix:
        sizes = np.abs(self._roots(theta))
        slopes = np.where(sizes <= HUBER_DELTA, 1.0, HUBER_DELTA / np.maximum(sizes, HUBER_DELTA))
        return np.asarray(slopes[:, None] * self.jacobian(theta))
