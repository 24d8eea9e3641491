"""An affine correction of what a table predicts, fitted on whole networks."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from nas_search.errors import RunError
from nas_search.profiler.robust import Vector, huber_weights

REWEIGHTINGS = 50
MIN_NETWORKS = 4


class AffineFit(BaseModel):
    """``offset_ms + slope * x``, fitted on ``n`` networks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    offset_ms: float
    slope: float
    n: int

    def apply(self, x: float) -> float:
        """The fitted latency in milliseconds."""
        return self.offset_ms + self.slope * x


def fit_affine(x: Vector, latency_ms: Vector) -> AffineFit:
    """The line with the least Huber loss of relative errors (offset + slope x) / latency - 1.

    Iteratively reweighted least squares. Relative, since a fast network's latency matters as much as a slow
    one's; Huber, since one disturbed measurement must not turn the line. Raises RunError with fewer than
    MIN_NETWORKS networks, or if they all have the same ``x``.
    """
    if len(x) < MIN_NETWORKS:
        raise RunError(f"calibration needs at least {MIN_NETWORKS} networks, there are {len(x)}")
    design = np.column_stack([np.ones_like(x), x]) / latency_ms[:, None]
    if np.linalg.matrix_rank(design) < 2:
        raise RunError("calibration needs networks that differ in cost; these are all alike")
    weights = np.ones_like(x)
    for _ in range(REWEIGHTINGS):
        root = np.sqrt(weights)
        solution = np.linalg.lstsq(design * root[:, None], root, rcond=None)[0]
        weights = huber_weights(design @ solution - 1)
    return AffineFit(offset_ms=float(solution[0]), slope=float(solution[1]), n=len(x))
