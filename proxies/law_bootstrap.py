"""How well the coefficients of a law are known: fits of losses whose deviations have random signs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nas_search.proxies.law_fit import LawProblem, Tick
from nas_search.proxies.scaling_law import Matrix, Vector

MIN_GROUPS = 8
"""With fewer groups there are too few different signs, and each row gets its own."""
LEAST_FREEDOM = 1e-3

Groups = NDArray[np.intp]


def resample(problem: LawProblem, best: Vector, groups: Groups, count: int, *, seed: int, tick: Tick) -> Matrix:
    """Solutions [B, p] of ``count`` problems like this one, whose solution is ``best``; a ``tick`` after each.

    The wild cluster bootstrap (Cameron, Gelbach & Miller 2008): the data are what the law predicts plus its deviations,
    all those of a group with one random sign, so that networks that are better or worse than the law at every budget
    stay so. Deviations are enlarged first, since the fit has come towards them (Bell & McCaffrey 2002).
    """
    rng = np.random.default_rng(seed)
    predicted = problem.predict(best)
    deviations = _enlarged(problem.targets - predicted, problem.jacobian(best), groups)
    solutions = []
    for _ in range(count):
        signs = rng.choice([-1.0, 1.0], size=int(groups.max()) + 1)[groups]
        solutions.append(problem.with_targets(predicted + signs * deviations).fit_from(best))
        tick()
    return np.array(solutions)


def _enlarged(deviations: Vector, jacobian: Matrix, groups: Groups) -> Vector:
    """(I - H)^(-1/2) times the deviations of each group, where H is its block of the hat matrix."""
    basis, sizes, _ = np.linalg.svd(jacobian, full_matrices=False)
    basis = basis[:, sizes > 1e-10 * sizes[0]]
    enlarged = np.empty_like(deviations)
    for group in range(int(groups.max()) + 1):
        rows = np.flatnonzero(groups == group)
        freedom, axes = np.linalg.eigh(np.eye(len(rows)) - basis[rows] @ basis[rows].T)
        along = axes.T @ deviations[rows]
        enlarged[rows] = axes @ (along / np.sqrt(np.maximum(freedom, LEAST_FREEDOM)))
    return enlarged
