"""From latencies of stacks to the terms of a latency table, by least squares.

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

from nas_search.profiler.cells import BEYOND, CHANGE, OVERHEAD, TRAFFIC, CellKey, PhaseSetting
from nas_search.profiler.memory import fixed_mib, layer_mib, network_mib
from nas_search.profiler.robust import Matrix, Vector, huber_weights
from nas_search.profiler.stacks import StackPlan
from nas_search.space.architecture import Architecture

# Where the price of a MiB may change: sizes of caches per core, and of a core's share of the last one.
KNOTS_MIB = (1, 2, 4, 8, 16)
REWEIGHTINGS = 5


@dataclass(frozen=True)
class CostModel:
    """The terms of one phase for the networks of a plan, and how a plan's latencies give their values."""

    plan: StackPlan
    setting: PhaseSetting

    @cached_property
    def keys(self) -> list[CellKey]:
        """The terms: for every width its layers and its overhead, then what all widths share."""
        key, vocabulary = self.setting.key, self.plan.vocabulary
        layers = [
            term
            for width in self.plan.widths
            for term in (
                *(key(operator.notation, width) for operator in self.plan.operators),
                key(OVERHEAD, width, vocabulary),
            )
        ]
        return [*layers, key(CHANGE), *(key(f"{BEYOND}{knot}") for knot in KNOTS_MIB)]

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
            for knot in KNOTS_MIB:
                row[column[key(f"{BEYOND}{knot}")]] = max(0.0, touched - knot)
        return matrix

    @cached_property
    def _stack_design(self) -> Matrix:
        return self.design(self.plan.networks)

    def solve(self, latency_ms: Vector) -> dict[CellKey, float]:
        """The terms in ms from the latencies of the plan's networks, traffic moved into layers and overheads."""
        values = fit_costs(self._stack_design, latency_ms)
        return self._with_traffic(dict(zip(self.keys, map(float, values), strict=True)))

    def _with_traffic(self, terms: dict[CellKey, float]) -> dict[CellKey, float]:
        """Give layers and overheads the traffic of the width's reference network, in proportion to their memory."""
        key, vocabulary = self.setting.key, self.plan.vocabulary
        for width in self.plan.widths:
            touched = network_mib(self.plan.reference(width), self.setting)
            price = sum(terms[key(f"{BEYOND}{knot}")] * max(0.0, touched - knot) for knot in KNOTS_MIB) / touched
            for operator in self.plan.operators:
                terms[key(operator.notation, width)] += price * layer_mib(operator, width, self.setting)
            terms[key(OVERHEAD, width, vocabulary)] += price * fixed_mib(width, vocabulary, self.setting)
            terms[key(TRAFFIC, width)] = price
        return terms


def changes(network: Architecture) -> int:
    """Layers that follow a layer of another operator."""
    return sum(one != other for one, other in zip(network.operators, network.operators[1:], strict=False))


def fit_costs(design: Matrix, latency_ms: Vector) -> Vector:
    """Non-negative costs with the least Huber loss of relative errors, design @ costs / latency - 1."""
    relative = design / latency_ms[:, None]
    weights = np.ones(len(latency_ms))
    for _ in range(REWEIGHTINGS):
        root = np.sqrt(weights)
        costs, _ = nnls(relative * root[:, None], root, maxiter=100 * design.shape[1])
        weights = huber_weights(relative @ costs - 1)
    return np.asarray(costs)
