"""A Gaussian process on features of architectures.

The kernel is a Matern 5/2 with one lengthscale for each feature. Priors of the lengthscales grow with the number of
features (Hvarfner et al. 2024, "Vanilla Bayesian optimization performs great in high dimensions"), so that few trials
do not make a wild model; hyperparameters are those of highest posterior density over their logarithms. NumPy and SciPy
alone: at these sizes a fit takes milliseconds, which is what a proposal may take.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

from nas_search.search.problem import FloatArray

FIT_TRIALS = 128
"""Hyperparameters are fitted on at most so many trials; predictions use all."""
FIT_ITERATIONS = 40
OUTPUTSCALE, NOISE = (0.0, 1.0), (-7.0, 2.0)
"""Mean and deviation of the logarithms of the variances of the process and of the noise, for targets of variance 1."""
LENGTHSCALE_DEVIATION = sqrt(3)
_JITTER = 1e-6
_EQUAL = 1e-9
"""Targets that deviate by less, logarithms of losses, differ by rounding."""


class Hyperparameters(NamedTuple):
    """Lengthscales [k], variance of the process and of the noise; natural logarithms of all."""

    lengthscales: FloatArray
    outputscale: float
    noise: float

    @classmethod
    def of(cls, values: FloatArray) -> Hyperparameters:
        """From [k + 2] logarithms."""
        return cls(values[:-2], float(values[-2]), float(values[-1]))

    def covariance(self, x: FloatArray, z: FloatArray) -> FloatArray:
        """[n, m] between points [n, k] and [m, k], noise left out."""
        scale = np.exp(-self.lengthscales)
        covariance: FloatArray = np.exp(self.outputscale) * _matern(_distances(x * scale, z * scale))
        return covariance


@dataclass(frozen=True)
class Surrogate:
    """A fitted process of n targets. ``low`` and ``span`` scale features, ``centre`` and ``scale`` targets.

    ``factor`` is the Cholesky factor L [n, n] of the covariance of scaled targets y, ``whitened`` is inv(L) y.
    """

    hyperparameters: Hyperparameters
    features: FloatArray
    factor: FloatArray
    whitened: FloatArray
    centre: float
    scale: float
    low: FloatArray
    span: FloatArray

    def predict(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation [m] of the target at [m, k] points, the noise of a single one left out."""
        cross = self._cross(self._scaled(features))
        return self._targets(cross.T @ self.whitened), self._deviation(cross)

    def draw(self, features: FloatArray, samples: int, rng: np.random.Generator) -> Draws:
        """Joint draws of what the targets at n points truly are."""
        x = self._scaled(features)
        cross = self._cross(x)
        factor = _cholesky(self.hyperparameters.covariance(x, x) - cross.T @ cross)
        normals = rng.standard_normal((samples, len(x)))
        targets = self._targets(cross.T @ self.whitened + normals @ factor.T)
        return Draws(self, x, cross, factor, normals, targets)

    def _cross(self, z: FloatArray) -> FloatArray:
        """[n, m] inv(L) times the covariance with scaled points."""
        covariance = self.hyperparameters.covariance(self.features, z)
        cross: FloatArray = solve_triangular(self.factor, covariance, lower=True)
        return cross

    def _deviation(self, *known: FloatArray) -> FloatArray:
        """[m] what is left of the process's when what is known explains so much, [n, m] each."""
        variance = np.exp(self.hyperparameters.outputscale) - sum(np.einsum("nm,nm->m", one, one) for one in known)
        deviation: FloatArray = self.scale * np.sqrt(np.maximum(variance, _JITTER))
        return deviation

    def _targets(self, values: FloatArray) -> FloatArray:
        return self.centre + self.scale * values

    def _scaled(self, features: FloatArray) -> FloatArray:
        return (features - self.low) / self.span


@dataclass(frozen=True)
class Draws:
    """Draws of the targets at n points, [s, n]. This is how noise and trials that still run are averaged over.

    They are the posterior mean plus ``normals`` [s, n] times the transposed ``factor`` of the posterior covariance.
    """

    surrogate: Surrogate
    features: FloatArray
    cross: FloatArray
    factor: FloatArray
    normals: FloatArray
    targets: FloatArray

    def elsewhere(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What the process's own targets and each draw leave to expect at m other points.

        [s, m] means and [m] standard deviations.
        """
        of = self.surrogate
        z = of._scaled(features)
        cross = of._cross(z)
        covariance = of.hyperparameters.covariance(self.features, z) - self.cross.T @ cross
        drawn = solve_triangular(self.factor, covariance, lower=True)
        return of._targets(cross.T @ of.whitened + self.normals @ drawn), of._deviation(cross, drawn)


def fit_surrogate(
    features: FloatArray, targets: FloatArray, variance: FloatArray, least_scale: float = 0.0
) -> Surrogate:
    """The process of n >= 1 ``targets`` at ``features`` [n, k].

    ``variance`` [n] of single targets comes on top of a noise that is fitted. Targets are standardised by their
    deviation, but by ``least_scale`` at least, or by one if both are as good as zero.
    """
    low, span = features.min(axis=0), np.ptp(features, axis=0)
    span = np.where(span > 0, span, 1.0)
    x = (features - low) / span
    centre, scale = float(targets.mean()), max(float(targets.std()), least_scale)
    scale = scale if scale > _EQUAL else 1.0
    y, given = (targets - centre) / scale, variance / scale**2
    chosen = np.linspace(0, len(y) - 1, min(len(y), FIT_TRIALS)).round().astype(int)
    found = fit_hyperparameters(x[chosen], y[chosen], given[chosen])
    factor = _cholesky(found.covariance(x, x) + np.diag(given + np.exp(found.noise)))
    return Surrogate(found, x, factor, solve_triangular(factor, y, lower=True), centre, scale, low, span)


def fit_hyperparameters(x: FloatArray, y: FloatArray, variance: FloatArray) -> Hyperparameters:
    """Those of highest posterior density for standardised ``y`` [n] at ``x`` [n, k] in the unit cube."""
    typical = sqrt(2) + log(x.shape[1]) / 2
    mean = np.array([*np.full(x.shape[1], typical), OUTPUTSCALE[0], NOISE[0]])
    deviation = np.array([*np.full(x.shape[1], LENGTHSCALE_DEVIATION), OUTPUTSCALE[1], NOISE[1]])
    squares = (x[:, None, :] - x[None, :, :]) ** 2

    def negative_log_density(values: FloatArray) -> tuple[float, FloatArray]:
        likelihood, gradient = log_marginal_likelihood(Hyperparameters.of(values), squares, y, variance)
        away = (values - mean) / deviation
        return float(away @ away) / 2 - likelihood, away / deviation - gradient

    bounds = [(centre - 4 * spread, centre + 4 * spread) for centre, spread in zip(mean, deviation, strict=True)]
    options = {"maxiter": FIT_ITERATIONS}
    best = minimize(negative_log_density, mean, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return Hyperparameters.of(best.x)


def log_marginal_likelihood(
    at: Hyperparameters, squares: FloatArray, y: FloatArray, variance: FloatArray
) -> tuple[float, FloatArray]:
    """log p(y) and its gradient [k + 2]; ``squares`` [n, n, k] are squared differences of features."""
    inverse_squares = np.exp(-2 * at.lengthscales)
    distances = np.sqrt(5 * squares @ inverse_squares)
    process = np.exp(at.outputscale) * _matern(distances)
    factor = _cholesky(process + np.diag(variance + np.exp(at.noise)))
    weights = cho_solve((factor, True), y)
    value = -y @ weights / 2 - np.log(np.diag(factor)).sum() - len(y) * log(2 * np.pi) / 2
    # d log p / d theta = 1/2 tr((w w' - K^-1) dK / d theta), Rasmussen and Williams 2006, equation 5.9.
    slope = (np.outer(weights, weights) - cho_solve((factor, True), np.eye(len(y)))) / 2
    radial = slope * np.exp(at.outputscale) * (5 / 3) * (1 + distances) * np.exp(-distances)
    gradient = np.einsum("ij,ijk->k", radial, squares) * inverse_squares
    scales = [(slope * process).sum(), np.trace(slope) * np.exp(at.noise)]
    return float(value), np.concatenate([gradient, scales])


def _distances(x: FloatArray, z: FloatArray) -> FloatArray:
    """sqrt(5) times Euclidean distances."""
    squares = (x**2).sum(1)[:, None] + (z**2).sum(1)[None, :] - 2 * x @ z.T
    distances: FloatArray = np.sqrt(5 * np.maximum(squares, 0.0))
    return distances


def _matern(distances: FloatArray) -> FloatArray:
    correlation: FloatArray = (1 + distances + distances**2 / 3) * np.exp(-distances)
    return correlation


def _cholesky(matrix: FloatArray) -> FloatArray:
    """The lower factor; a matrix that rounding left indefinite gets a larger diagonal."""
    for jitter in (_JITTER, 1e-5, 1e-4, 1e-3):
        try:
            factor: FloatArray = cholesky(matrix + jitter * np.eye(len(matrix)), lower=True)
        except np.linalg.LinAlgError:
            continue
        return factor
    raise ArithmeticError("a covariance that is not positive definite")
