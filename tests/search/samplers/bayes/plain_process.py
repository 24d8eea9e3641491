"""A Gaussian process as one would write it on paper, to hold the search's own against."""

import numpy as np

from nas_search.search.problem import FloatArray
from nas_search.search.samplers.bayes.surrogate import Hyperparameters


def covariance(at: Hyperparameters, x: FloatArray, z: FloatArray) -> FloatArray:
    """Matern 5/2 with a lengthscale for each feature (Rasmussen and Williams 2006, equation 4.17)."""
    apart = np.sqrt((((x[:, None, :] - z[None, :, :]) / np.exp(at.lengthscales)) ** 2).sum(axis=2))
    return np.exp(at.outputscale) * (1 + np.sqrt(5) * apart + 5 * apart**2 / 3) * np.exp(-np.sqrt(5) * apart)


def posterior(
    at: Hyperparameters, x: FloatArray, y: FloatArray, noise: FloatArray, z: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Mean [m] and covariance [m, m] at ``z`` after ``y`` with variances ``noise`` at ``x`` (equations 2.23, 2.24)."""
    inverse = np.linalg.inv(covariance(at, x, x) + np.diag(noise))
    cross = covariance(at, z, x)
    return cross @ inverse @ y, covariance(at, z, z) - cross @ inverse @ cross.T
