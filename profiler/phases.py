"""What a workload is made of: a prefill, and steps at contexts between which the cost is linear."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import count, takewhile
from typing import Literal, NamedTuple

import numpy as np

from nas_search.profiler.workload import Workload

PhaseKind = Literal["prefill", "step", "energy"]

EAGER_KNOTS = 3


class Phase(NamedTuple):
    """A pass over ``context`` tokens, or one step after them, or the energy of one; meta tokens are counted in."""

    kind: PhaseKind
    context: int


class WeightedPhase(NamedTuple):
    """A phase and how often the workload contains it; a share of a step where the cost is interpolated."""

    phase: Phase
    weight: float


class Part(NamedTuple):
    """What a workload contains once at each of these contexts."""

    kind: PhaseKind
    contexts: range


def workload_parts(workload: Workload, meta_tokens: int = 0) -> tuple[Part, ...]:
    """The phases of a workload, one after the other; none where its figure follows from a formula.

    ``generate`` is a prefill, which yields the first new token, and a step for each further one.
    """
    start = workload.prompt + meta_tokens
    if workload.kind == "memory":
        return ()
    if workload.kind == "energy":
        return (Part("energy", range(start, start + 1)),)
    if workload.kind in {"decode", "throughput"}:
        return (Part("step", range(start, start + 1)),)
    prefill = Part("prefill", range(start, start + 1))
    steps = range(start, start + workload.new_tokens - 1)
    return (prefill, Part("step", steps)) if steps else (prefill,)


def weighted_phases(workload: Workload, meta_tokens: int = 0, *, captured: bool = False) -> tuple[WeightedPhase, ...]:
    """The phases whose weighted sum is the workload's figure for one batch.

    A step's cost is taken as linear between :func:`step_contexts`, so the sum over all steps is a weighted sum.
    """
    return tuple(
        WeightedPhase(Phase(part.kind, knot), weight)
        for part in workload_parts(workload, meta_tokens)
        for knot, weight in hat_sums(part.contexts, step_contexts(part.contexts, captured=captured)).items()
    )


def step_contexts(contexts: range, *, captured: bool) -> tuple[int, ...]:
    """Some of ``contexts``, their ends among them, between which the cost of a step is linear.

    A ``captured`` step reads as many cache slots as the graph that serves it, up to a power of two
    (:func:`read_slots`): a staircase, which lines between both sides of each of its steps give exactly.
    """
    first, last = contexts[0], contexts[-1]
    if not captured:
        return tuple(int(knot) for knot in np.unique(np.linspace(first, last, EAGER_KNOTS).round()))
    bounds = takewhile(lambda bound: bound <= last, (_shortest_bound() << doublings for doublings in count()))
    sides = (side for bound in bounds for side in (bound - 1, bound))
    return tuple(sorted({first, last, *(side for side in sides if first < side < last)}))


def read_slots(context: int, *, captured: bool) -> int:
    """Positions up to which a step behind ``context`` tokens reads a cache: its own, or those of the captured graph."""
    positions = context + 1
    if not captured:
        return positions
    return max(_shortest_bound(), 1 << (positions - 1).bit_length())


@lru_cache(maxsize=256)
def hat_sums(contexts: range, knots: tuple[int, ...]) -> Mapping[int, float]:
    """For each knot, the sum over ``contexts`` of its hat function: linear interpolation, summed.

    Knots ascend. Those that count nothing are left out.
    """
    sums = (np.interp(contexts, knots, unit).sum() for unit in np.eye(len(knots)))
    return {knot: float(total) for knot, total in zip(knots, sums, strict=True) if total}


def _shortest_bound() -> int:
    from nas_search.space.decode_graph import SHORTEST_BOUND

    return SHORTEST_BOUND
