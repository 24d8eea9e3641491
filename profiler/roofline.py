"""What a network must move and compute, and what follows from a device's rates: a bound and an estimate of its time.

The roofline (Williams et al. 2009): moving bytes and computing overlap, so a phase takes at least the longer of both.
Every byte is counted as coming from memory. A network that fits into a cache may be faster than its bound.

A step reads all weights once, of the embedding one row for each sequence, the valid prefix of every cache and the
recurrent memories; it writes one position of each cache, the memories and the logits. A prefill reads weights and
rows alike, writes caches, memories and the last position's logits, and every layer reads and writes the residual
stream of all positions once. A step's activations, some kilobytes, stay on the chip.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from nas_search.profiler.cells import PhaseSetting
from nas_search.profiler.memory import layer_bytes
from nas_search.profiler.precision import Precision
from nas_search.space.architecture import DTYPE_BYTES, Architecture
from nas_search.space.operators.base import OperatorSpec

# The fewest launches that are known, those of our fused steps: norm with projection, update, projection with residual;
# an FFN has no update. Operators without a fused step take more, so an estimate favours them.
MIXER_LAUNCHES, FFN_LAUNCHES = 3, 2
# Embedding, final norm, head.
FIXED_LAUNCHES = 3


class Rates(NamedTuple):
    """What a device does in a second: bytes moved, read or written, and FLOPs; and what a launch takes in ms."""

    bandwidth_bytes_per_s: float
    flops_per_s: float
    launch_ms: float


class Work(NamedTuple):
    """What a part of a network has to do in one phase."""

    moved_bytes: int
    flops: int
    launches: int

    def bound_ms(self, rates: Rates) -> float:
        """The longer of moving and computing."""
        return 1e3 * max(self.moved_bytes / rates.bandwidth_bytes_per_s, self.flops / rates.flops_per_s)

    def estimate_ms(self, rates: Rates) -> float:
        """The bound, behind all launches."""
        return self.bound_ms(rates) + self.launches * rates.launch_ms


def bound_ms(architecture: Architecture, setting: PhaseSetting, rates: Rates) -> float:
    """The least time for a phase: everything overlaps, and launches cost nothing."""
    whole = Work(*(sum(column) for column in zip(*_parts(architecture, setting), strict=True)))
    return whole.bound_ms(rates)


def estimate_ms(architecture: Architecture, setting: PhaseSetting, rates: Rates) -> float:
    """The time of layers one after the other, each at its own bound behind its launches; never below the bound."""
    return sum(part.estimate_ms(rates) for part in _parts(architecture, setting))


def layer_work(operator: OperatorSpec, width: int, setting: PhaseSetting) -> Work:
    """One layer, with its norm."""
    phase, batch, precision = setting
    launches = MIXER_LAUNCHES if operator.mixes_tokens else FFN_LAUNCHES
    flops, moved = partial(operator.flops, width), layer_bytes(operator, width, setting)
    if phase.kind == "prefill":
        stream = 2 * _positions(setting) * width * DTYPE_BYTES[precision.parameters]
        return Work(moved + stream, batch * sum_over_positions(flops, phase.context), launches)
    position = operator.state_elements(width, 1) - operator.state_elements(width, 0)
    memory = operator.memory_elements(width)
    written = position * DTYPE_BYTES[precision.cache] + memory * DTYPE_BYTES[precision.state]
    return Work(moved + batch * written, batch * flops(phase.context), launches)


def fixed_work(width: int, vocabulary: int, setting: PhaseSetting) -> Work:
    """Embedding rows, final norm, head, and logits of one position of each sequence."""
    rows, logits = min(_positions(setting), vocabulary), setting.batch * vocabulary
    moved = ((rows + 1 + vocabulary) * width + logits) * DTYPE_BYTES[setting.precision.parameters]
    return Work(moved, 2 * width * logits, FIXED_LAUNCHES)


def sum_over_positions(cost: Callable[[int], int], positions: int) -> int:
    """The sum of ``cost`` over positions 0 to ``positions - 1``.

    Exact where the cost is linear on pieces and bends one way only: it rises with the context until a window is full.
    A piece is linear if its middle lies on the chord, and is halved otherwise.
    """

    def between(first: int, last: int) -> int:
        at_first, at_last, middle = cost(first), cost(last), (first + last) // 2
        if (cost(middle) - at_first) * (last - first) == (at_last - at_first) * (middle - first):
            return (at_first + at_last) * (last - first + 1) // 2
        return between(first, middle) + between(middle + 1, last)

    return between(0, positions - 1) if positions else 0


def memory_bytes(architecture: Architecture, context: int, batch: int, precision: Precision) -> int:
    """What ``batch`` sequences of ``context`` tokens and the meta tokens need: weights, states, logits."""
    return architecture.weight_bytes(precision.parameters) + batch * _sequence_bytes(architecture, context, precision)


def prompt_bytes(architecture: Architecture, context: int, batch: int, precision: Precision) -> int:
    """Activations in use at once while a prompt is read, about: those of one layer at all positions.

    For each token what the layer's projections give, which is as many numbers as its weights divided by the width, the
    residual stream, its norm, and what is added to it.
    """
    positions = batch * (context + architecture.meta_tokens)
    largest = max(layer_activations(operator, architecture.width) for operator in architecture.operators)
    return positions * largest * DTYPE_BYTES[precision.parameters]


def layer_activations(operator: OperatorSpec, width: int) -> int:
    """Numbers that a layer has in use at once for each token of a prompt, about; see :func:`prompt_bytes`."""
    return operator.parameters(width) // width + 3 * width


def largest_batch(architecture: Architecture, context: int, precision: Precision, available_bytes: int) -> int:
    """How many sequences fit by :func:`memory_bytes`; 0 if not even one does."""
    left = available_bytes - architecture.weight_bytes(precision.parameters)
    return max(0, left // _sequence_bytes(architecture, context, precision))


def _sequence_bytes(architecture: Architecture, context: int, precision: Precision) -> int:
    state = architecture.state_bytes(context, precision.cache, state_dtype=precision.state)
    return state + architecture.vocabulary * DTYPE_BYTES[precision.parameters]


def _positions(setting: PhaseSetting) -> int:
    """Positions that pass through the layers."""
    return setting.batch * (setting.phase.context if setting.phase.kind == "prefill" else 1)


def _parts(architecture: Architecture, setting: PhaseSetting) -> list[Work]:
    width = architecture.width
    layers = (layer_work(operator, width, setting) for operator in architecture.operators)
    return [fixed_work(width, architecture.vocabulary, setting), *layers]
