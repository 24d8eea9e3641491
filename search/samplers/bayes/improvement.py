"""Expected hypervolume improvement where every objective but the loss is known before training.

Let a candidate have known coordinates c and an unknown loss Y. What it adds to a front, up to a reference point, is
the integral over known coordinates x between c and the reference of max(0, v(x) - Y), where v(x) is the lowest loss of
front members that are nowhere beyond x, or else that of the reference. v is constant between neighbours, so

    E[improvement] = sum over cells of volume x EI(v),    EI(v) = E[max(0, v - Y)]

With one known objective cells are the strips of the front, the one that contains the candidate included. With more,
strips of the last one are cut into cells of the others. It is exact for any number of them. Losses are lognormal, as a
Gaussian process on their logarithms has it.
"""

from __future__ import annotations

from typing import NamedTuple

import moocore
import numpy as np
from scipy.special import ndtr

from nas_search.search.problem import FloatArray


class Front(NamedTuple):
    """Points up to which there is nothing to gain: [n, k] known coordinates and [n] losses, all minimised."""

    known: FloatArray
    losses: FloatArray


def expected_improvement(level: FloatArray, mean: FloatArray, sd: FloatArray) -> FloatArray:
    """E[max(0, level - Y)] for log Y normal with ``mean`` and ``sd`` > 0; arrays broadcast, levels at least zero."""
    with np.errstate(divide="ignore"):
        z = (np.log(level) - mean) / sd
    gained: FloatArray = level * ndtr(z) - np.exp(mean + sd**2 / 2) * ndtr(z - sd)
    return np.maximum(gained, 0.0)


def expected_hypervolume_improvement(
    known: FloatArray, mean: FloatArray, sd: FloatArray, front: Front, reference: tuple[FloatArray, float]
) -> FloatArray:
    """[m] in the product of all objectives' units.

    ``known`` is [m, k], ``mean`` and ``sd`` [m] are those of the candidates' log losses, ``reference`` the known
    coordinates [k] and the loss of the reference point. Points of ``front`` may be dominated or beyond the reference.
    """
    bound, worst = reference
    points = np.column_stack([front.known, front.losses])[np.all(front.known < bound, axis=1)]
    points = points[_nondominated(points)]
    gains = expected_improvement(np.append(points[:, -1], worst)[:, None], mean, sd)
    return _volumes(known, points, gains, bound)


def _volumes(known: FloatArray, points: FloatArray, gains: FloatArray, bound: FloatArray) -> FloatArray:
    """[m] sums over cells of ``points`` [n, k + 1]; ``gains`` [n + 1, m] are EI at their losses and the reference's."""
    axis = known.shape[1] - 1
    order = np.argsort(points[:, axis], kind="stable")
    points, gains = points[order], gains[[len(order), *order]]
    edges = np.append(points[:, axis], bound[axis])
    widths = np.diff(np.maximum(edges[:, None] - known[:, axis], 0.0), axis=0, prepend=0.0)
    if axis == 0:
        total: FloatArray = (widths * np.minimum.accumulate(gains)).sum(axis=0)
        return total
    strips = np.zeros(len(known))
    for count, width in enumerate(widths):
        low = np.flatnonzero(_nondominated(np.delete(points[:count], axis, axis=1)))
        shadows = np.delete(points[low], axis, axis=1)
        strips += width * _volumes(known[:, :axis], shadows, gains[[*(low + 1), 0]], bound)
    return strips


def _nondominated(points: FloatArray) -> FloatArray:
    """[n] whether no other one dominates a point; of equal ones the first counts."""
    kept: FloatArray = moocore.is_nondominated(points) if len(points) else np.zeros(0, dtype=bool)
    return kept
