"""What a workload is made of: a prefill, and steps at a few contexts between which the cost is linear."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from nas_search.profiler.workload import Workload

GENERATE_KNOTS = 3


class Phase(NamedTuple):
    """A pass over ``context`` tokens, or one step after them; meta tokens are counted in."""

    kind: Literal["prefill", "step"]
    context: int


class WeightedPhase(NamedTuple):
    """A phase and how often the workload contains it; a share of a step where the cost is interpolated."""

    phase: Phase
    weight: float


def weighted_phases(workload: Workload, meta_tokens: int = 0) -> tuple[WeightedPhase, ...]:
    """The phases whose weighted sum is the workload's latency.

    ``generate`` is a prefill, which yields the first new token, and a step for each further one. A step's cost is
    taken as piecewise linear in its context, so the sum over all steps is a weighted sum over the knots.
    """
    start = workload.prompt + meta_tokens
    if workload.kind == "decode":
        return (WeightedPhase(Phase("step", start), 1.0),)
    prefill = WeightedPhase(Phase("prefill", start), 1.0)
    if workload.kind == "prefill" or workload.new_tokens == 1:
        return (prefill,)
    contexts = np.arange(start, start + workload.new_tokens - 1)
    knots = np.unique(np.linspace(contexts[0], contexts[-1], GENERATE_KNOTS).round().astype(int))
    steps = (
        WeightedPhase(Phase("step", int(knot)), float(weight))
        for knot, weight in zip(knots, _hat_sums(contexts, knots), strict=True)
    )
    return (prefill, *steps)


def _hat_sums(contexts: np.ndarray, knots: np.ndarray) -> list[float]:
    """For each knot, the sum over ``contexts`` of its hat function: linear interpolation, summed."""
    return [float(np.interp(contexts, knots, unit).sum()) for unit in np.eye(len(knots))]
