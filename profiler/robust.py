"""Weights of a robust fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

# Residuals beyond this many robust standard deviations count with a falling weight (Huber 1964).
HUBER_SIGMAS = 1.345
MAD_TO_SIGMA = 1.4826


def huber_weights(residuals: Vector) -> Vector:
    """Weights of iteratively reweighted least squares for Huber's loss, scaled by the median absolute residual."""
    scale = MAD_TO_SIGMA * float(np.median(np.abs(residuals)))
    limit = HUBER_SIGMAS * max(scale, 1e-12)
    return np.asarray(np.minimum(1.0, limit / np.maximum(np.abs(residuals), 1e-300)))
