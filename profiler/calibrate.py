"""Affine corrections of what a table predicts, fitted on whole networks."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from nas_search.errors import RunError
from nas_search.profiler.cells import PhaseSetting
from nas_search.profiler.phases import Phase, PhaseKind
from nas_search.profiler.precision import Precision
from nas_search.profiler.robust import Vector, huber_weights

REWEIGHTINGS = 50
MIN_NETWORKS = 4


class AffineFit(BaseModel):
    """``offset + slope * x``, fitted on ``n`` networks; in the unit of what was fitted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    offset: float
    slope: float
    n: int

    def apply(self, x: Vector) -> Vector:
        """The fitted figures."""
        return self.offset + self.slope * x


class PhaseRecord(BaseModel):
    """What was fitted for one setting, on whole networks: on summed costs, on their operators, on their parameters.

    The last two are what a table has to beat; an estimate, which nothing was measured for, has none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: PhaseKind
    context: int
    batch: int
    precision: Precision
    calibration: AffineFit
    depth_only: AffineFit | None = None
    parameters_only: AffineFit | None = None

    @property
    def setting(self) -> PhaseSetting:
        """What it was fitted for."""
        return PhaseSetting(Phase(self.kind, self.context), self.batch, self.precision)


def fit_affine(x: Vector, figures: Vector) -> AffineFit:
    """The line with the least Huber loss of relative errors (offset + slope x) / figure - 1.

    Iteratively reweighted least squares. Relative, since a fast network's latency matters as much as a slow
    one's; Huber, since one disturbed measurement must not turn the line. Raises RunError with fewer than
    MIN_NETWORKS networks, or if they all have the same ``x``.
    """
    if len(x) < MIN_NETWORKS:
        raise RunError(f"calibration needs at least {MIN_NETWORKS} networks, there are {len(x)}")
    design = np.column_stack([np.ones_like(x), x]) / figures[:, None]
    if np.linalg.matrix_rank(design) < 2:
        raise RunError("calibration needs networks that differ in cost; these are all alike")
    weights = np.ones_like(x)
    for _ in range(REWEIGHTINGS):
        root = np.sqrt(weights)
        solution = np.linalg.lstsq(design * root[:, None], root, rcond=None)[0]
        weights = huber_weights(design @ solution - 1)
    return AffineFit(offset=float(solution[0]), slope=float(solution[1]), n=len(x))
