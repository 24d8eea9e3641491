"""What a workload is made of: a prefill, and steps at contexts between which the cost is linear."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

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
    """What a workload contains once at each of these contexts; ``captured`` if the steps are replays of graphs.

    A captured step costs what a step costs whose cache ends where its graph does: a power of two, or the end of all.
    """

    kind: PhaseKind
    contexts: range
    captured: bool = False

    @property
    def ends(self) -> tuple[int, int]:
        """The least and the greatest context that is read."""
        read = self.read_contexts()
        return int(read[0]), int(read[-1])

    def read_contexts(self) -> NDArray[np.int64]:
        """For each context, the one whose step costs the same; ascending."""
        contexts = np.arange(self.contexts.start, self.contexts.stop, dtype=np.int64)
        if not self.captured:
            return contexts
        bounds = np.maximum(_shortest_bound(), 1 << np.ceil(np.log2(contexts + 1)).astype(np.int64))
        # The last step's token, and the one that it chooses, are the last of all.
        return np.asarray(np.minimum(bounds, self.contexts[-1] + 2) - 1)


def workload_parts(workload: Workload, meta_tokens: int = 0, *, captured: bool = False) -> tuple[Part, ...]:
    """The phases of a workload, one after the other; none where its figure follows from a formula.

    ``generate`` is a prefill, which yields the first new token, and a step for each further one, replayed from
    ``captured`` graphs or not. Other steps stand at one context, with a cache that ends there.
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
    return (prefill, Part("step", steps, captured)) if steps else (prefill,)


def weighted_phases(workload: Workload, meta_tokens: int = 0, *, captured: bool = False) -> tuple[WeightedPhase, ...]:
    """The phases whose weighted sum is the workload's figure for one batch.

    A step's cost is taken as linear between :func:`step_contexts`, so the sum over all steps is a weighted sum.
    """
    return tuple(
        WeightedPhase(Phase(part.kind, knot), weight)
        for part in workload_parts(workload, meta_tokens, captured=captured)
        for knot, weight in hat_sums(part, step_contexts(part)).items()
    )


def step_contexts(part: Part) -> tuple[int, ...]:
    """The contexts of a part at which it is measured: all that captured graphs read, else a few from end to end."""
    if part.captured:
        return tuple(int(context) for context in np.unique(part.read_contexts()))
    first, last = part.ends
    return tuple(int(knot) for knot in np.unique(np.linspace(first, last, EAGER_KNOTS).round()))


@lru_cache(maxsize=256)
def hat_sums(part: Part, knots: tuple[int, ...]) -> Mapping[int, float]:
    """For each knot, the sum over the contexts that are read of its hat function: linear interpolation, summed.

    Knots ascend. Those that count nothing are left out.
    """
    contexts = part.read_contexts()
    sums = (np.interp(contexts, knots, unit).sum() for unit in np.eye(len(knots)))
    return {knot: float(total) for knot, total in zip(knots, sums, strict=True) if total}


def _shortest_bound() -> int:
    from nas_search.space.decode_graph import SHORTEST_BOUND

    return SHORTEST_BOUND
