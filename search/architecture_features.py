"""Numbers that describe architectures to a model of their loss: how many of what, where, how wide."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas_search.search.problem import FloatArray
from nas_search.space.architecture import Architecture
from nas_search.space.operators.base import OperatorSpec
from nas_search.space.search_space import SearchSpace


def feature_names(space: SearchSpace) -> list[str]:
    """Names of the 2 m + 3 columns of :func:`architecture_features` for a space of m different operators."""
    kinds = [spec.notation for spec in space.operator_specs()]
    sizes = [f"log2 {size}" for size in ("width", "depth", "parameters")]
    return [f"count {kind}" for kind in kinds] + [f"place {kind}" for kind in kinds] + sizes


def architecture_features(architectures: Sequence[Architecture], space: SearchSpace) -> FloatArray:
    """[n, 2 m + 3] for a space of m different operators: of each its count and its mean place.

    Then width, depth and parameters. Counts and sizes are log2, counts of one more: the second layer of a kind matters
    more than the ninth. Places run from 0, the input, to 1, the output; 0.5 stands for an operator that is not there.
    """
    kinds = {spec: index for index, spec in enumerate(space.operator_specs())}
    rows = np.array([_row(architecture, kinds) for architecture in architectures], dtype=np.float64)
    rows = rows.reshape(len(architectures), 2 * len(kinds) + 3)
    counted = np.r_[0 : len(kinds), 2 * len(kinds) : rows.shape[1]]
    rows[:, counted] = np.log2(rows[:, counted])
    return rows


def _row(architecture: Architecture, kinds: dict[OperatorSpec, int]) -> list[float]:
    """Counts (one more), places and sizes as they are."""
    places: list[list[float]] = [[] for _ in kinds]
    depth = architecture.depth
    for index, operator in enumerate(architecture.operators):
        places[kinds[operator]].append((index + 0.5) / depth)
    counts = [1.0 + len(found) for found in places]
    means = [sum(found) / len(found) if found else 0.5 for found in places]
    return [*counts, *means, architecture.width, depth, architecture.parameters]
