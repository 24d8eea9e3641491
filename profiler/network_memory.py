"""The memory of many networks at once, by the roofline's formula: a sum over layers, asked once for each operator."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nas_search.profiler.layers import Layers, NetworkSet
from nas_search.profiler.precision import Precision
from nas_search.profiler.robust import Vector
from nas_search.profiler.roofline import layer_activations, memory_bytes
from nas_search.space.architecture import DTYPE_BYTES, Architecture
from nas_search.space.operators.base import OperatorSpec


class NetworkMemory(NamedTuple):
    """Bytes of each network's weights, and of what every sequence takes: whole numbers."""

    weights: Vector
    sequence: Vector

    @classmethod
    def of(cls, networks: NetworkSet, context: int, precision: Precision) -> NetworkMemory:
        """For sequences of ``context`` tokens and the meta tokens."""
        one, two = (_memory_bytes(networks, context, batch, precision) for batch in (1, 2))
        return cls(weights=2 * one - two, sequence=two - one)

    def needed(self, batch: int) -> Vector:
        """What :func:`memory_bytes` says of each network."""
        return self.weights + batch * self.sequence

    def largest_batch(self, available_bytes: int) -> Vector:
        """How many sequences of each network fit; 0 if not even one does."""
        return np.maximum(0.0, (available_bytes - self.weights) // self.sequence)


def prompt_bytes_many(networks: NetworkSet, context: int, batch: int, precision: Precision) -> Vector:
    """What :func:`prompt_bytes` says of each network."""
    largest = np.empty(len(networks))
    for width, _, indices, layers in networks.groups:
        largest[indices] = layers.largest(layer_activations(operator, width) for operator in layers.operators)
    return batch * (context + networks.meta_tokens) * largest * DTYPE_BYTES[precision.parameters]


def _memory_bytes(networks: NetworkSet, context: int, batch: int, precision: Precision) -> Vector:
    total = np.empty(len(networks))
    for _, _, indices, layers in networks.groups:
        total[indices] = _group_bytes(networks.networks[indices[0]], layers, context, batch, precision)
    return total


def _group_bytes(like: Architecture, layers: Layers, context: int, batch: int, precision: Precision) -> Vector:
    """Networks that differ from ``like`` in their operators alone: what a layer adds shows with two instead of one."""

    def stack(operator: OperatorSpec, depth: int) -> int:
        return memory_bytes(like.model_copy(update={"operators": (operator,) * depth}), context, batch, precision)

    added = [stack(operator, 2) - stack(operator, 1) for operator in layers.operators]
    return stack(layers.operators[0], 1) - added[0] + layers.sums(added)
