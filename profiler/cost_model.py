"""From figures of stacks to the terms of a latency table, by least squares.

The model (see cells.py) is linear in its terms and each of them is a cost, so none may be negative. Layers and
overheads are fitted width by width; the price of memory traffic and of changing the operator belong to the machine
and are common to all widths, which is what keeps them apart from the layers' own cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import nnls

from nas_search.profiler.cells import ALL_WIDTHS, BEYOND, CHANGE, OVERHEAD, TRAFFIC, CellKey, PhaseSetting
from nas_search.profiler.device import Device
from nas_search.profiler.memory import fixed_mib, layer_mib, network_mib
from nas_search.profiler.robust import Matrix, Vector, huber_weights
from nas_search.profiler.stacks import StackPlan
from nas_search.space.architecture import Architecture

# Where the price of a MiB may change: sizes of a processor's caches per core, and of a core's share of the last one.
KNOTS_MIB = (1.0, 2.0, 4.0, 8.0, 16.0)
# The same for a GPU, as shares of its last cache.
KNOTS_OF_CACHE = (0.5, 1.0, 2.0)
REWEIGHTINGS = 5


def traffic_knots(device: Device) -> tuple[float, ...]:
    """Sizes in MiB beyond which memory traffic may have another price."""
    cache_mib = cache_of(device)
    return tuple(share * cache_mib for share in KNOTS_OF_CACHE) if cache_mib else KNOTS_MIB


def cache_of(device: Device) -> float:
    """The last cache of a GPU in MiB; 0 for a processor, whose caches networks are not made to overflow."""
    return float(device.fingerprint.get("cache_mib", 0)) if device.kind == "cuda" else 0.0


@dataclass(frozen=True)
class CostModel:
    """The terms of one setting, and how the figures of ``networks``, stacks of ``plan``, give their values."""

    plan: StackPlan
    setting: PhaseSetting
    networks: Sequence[Architecture]
    sizes_mib: tuple[float, ...] = KNOTS_MIB

    @cached_property
    def knots_mib(self) -> list[float]:
        """Those of ``sizes_mib`` that some network stays below: a price beyond the others is part of every layer's."""
        least = min(network_mib(network, self.setting) for network in self.networks)
        return [size for size in self.sizes_mib if size > least]

    @cached_property
    def keys(self) -> list[CellKey]:
        """The terms that the networks have: at every width layers and overhead, then what all widths share."""
        key = self.setting.key
        own = {
            term: None
            for network in sorted(self.networks, key=lambda network: network.width)
            for term in (
                *(key(operator.notation, network.width) for operator in network.operators),
                key(OVERHEAD, network.width, network.vocabulary),
            )
        }
        return [*own, key(CHANGE), *map(self._beyond, self.knots_mib)]

    def design(self, networks: Sequence[Architecture]) -> Matrix:
        """How often each network contains each term, [networks, terms]."""
        column = {key: index for index, key in enumerate(self.keys)}
        key, matrix = self.setting.key, np.zeros((len(networks), len(column)))
        for row, network in zip(matrix, networks, strict=True):
            for operator in network.operators:
                row[column[key(operator.notation, network.width)]] += 1
            row[column[key(OVERHEAD, network.width, network.vocabulary)]] = 1
            row[column[key(CHANGE)]] = changes(network)
            touched = network_mib(network, self.setting)
            for knot in self.knots_mib:
                row[column[self._beyond(knot)]] = max(0.0, touched - knot)
        return matrix

    @cached_property
    def _stack_design(self) -> Matrix:
        return self.design(self.networks)

    def solve(self, figures: Vector) -> dict[CellKey, float]:
        """The terms from what the networks cost, traffic moved into layers and overheads."""
        values = fit_costs(self._stack_design, figures)
        return self._with_traffic(dict(zip(self.keys, map(float, values), strict=True)))

    def _with_traffic(self, terms: dict[CellKey, float]) -> dict[CellKey, float]:
        """Give layers and overheads the traffic of the width's reference network, in proportion to their memory."""
        key, vocabulary = self.setting.key, self.plan.vocabulary
        for width in sorted({term.width for term in terms} - {ALL_WIDTHS}):
            touched = network_mib(self.plan.reference(width), self.setting)
            price = sum(terms[self._beyond(knot)] * max(0.0, touched - knot) for knot in self.knots_mib) / touched
            for operator in self.plan.operators:
                if key(operator.notation, width) in terms:
                    terms[key(operator.notation, width)] += price * layer_mib(operator, width, self.setting)
            terms[key(OVERHEAD, width, vocabulary)] += price * fixed_mib(width, vocabulary, self.setting)
            terms[key(TRAFFIC, width)] = price
        return terms

    def _beyond(self, knot_mib: float) -> CellKey:
        return self.setting.key(f"{BEYOND}{knot_mib:g}")


def changes(network: Architecture) -> int:
    """Layers that follow a layer of another operator."""
    return sum(one != other for one, other in zip(network.operators, network.operators[1:], strict=False))


def fit_costs(design: Matrix, figures: Vector) -> Vector:
    """Non-negative costs with the least Huber loss of relative errors, design @ costs / figures - 1."""
    relative = design / figures[:, None]
    weights = np.ones(len(figures))
    for _ in range(REWEIGHTINGS):
        root = np.sqrt(weights)
        costs, _ = nnls(relative * root[:, None], root, maxiter=100 * design.shape[1])
        weights = huber_weights(relative @ costs - 1)
    return np.asarray(costs)
