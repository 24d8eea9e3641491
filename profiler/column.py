"""The terms of a table, ready to be added up for many networks at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nas_search.errors import InputError
from nas_search.profiler.cells import BEYOND, CHANGE, OVERHEAD, TRAFFIC, Cell, CellKey, PhaseSetting
from nas_search.profiler.layers import Layers, NetworkSet
from nas_search.profiler.memory import fixed_mib, layer_mib
from nas_search.profiler.robust import Vector
from nas_search.space.architecture import Architecture
from nas_search.space.operators.base import OperatorSpec

MISSING = float("nan")
Terms = Mapping[CellKey, float]


class LayerCost(NamedTuple):
    """What one layer adds, not a number if that is unknown; and the memory that it touches."""

    value: float
    mib: float


class Price(NamedTuple):
    """What each MiB beyond so many costs."""

    beyond_mib: float
    value: float


class Column(dict[OperatorSpec, LayerCost]):
    """The terms of one setting at one width: a layer's cost by operator, looked up when first asked for.

    The terms that only correct (CHANGE, TRAFFIC, BEYOND) count nothing if the table has none.
    """

    def __init__(
        self, terms: Terms, prices: Sequence[Price], setting: PhaseSetting, width: int, vocabulary: int
    ) -> None:
        super().__init__()
        self._terms, self._prices, self._setting, self._width = terms, prices, setting, width
        overhead = terms.get(setting.key(OVERHEAD, width, vocabulary), MISSING)
        self._fixed = LayerCost(overhead, fixed_mib(width, vocabulary, setting))
        self._change = terms.get(setting.key(CHANGE), 0.0)
        self._traffic = terms.get(setting.key(TRAFFIC, width), 0.0)

    def __missing__(self, operator: OperatorSpec) -> LayerCost:
        value = self._terms.get(self._setting.key(operator.notation, self._width), MISSING)
        self[operator] = cost = LayerCost(value, layer_mib(operator, self._width, self._setting))
        return cost

    def sums(self, layers: Layers) -> Vector:
        """What each network costs by the terms; not a number where one is missing."""
        costs = [self[operator] for operator in layers.operators]
        touched = self._fixed.mib + layers.sums(cost.mib for cost in costs)
        total = self._fixed.value + layers.sums(cost.value for cost in costs)
        total += self._change * layers.changes
        total -= self._traffic * touched
        for beyond_mib, price in self._prices:
            total += price * np.maximum(0.0, touched - beyond_mib)
        return total


class Costs:
    """All terms of a table."""

    def __init__(self, cells: Iterable[Cell]) -> None:
        self._terms = {cell.key: cell.value for cell in cells}
        self._columns: dict[tuple[PhaseSetting, int, int], Column] = {}
        self._prices: dict[CellKey, list[Price]] = {}
        for key, value in self._terms.items():
            if key.operator.startswith(BEYOND) and value:
                price = Price(float(key.operator.removeprefix(BEYOND)), value)
                self._prices.setdefault(key._replace(operator=BEYOND), []).append(price)

    def raw(self, networks: NetworkSet, setting: PhaseSetting) -> Vector:
        """What each network costs by the terms alone; not a number where one is missing."""
        figures = np.empty(len(networks))
        for width, vocabulary, indices, layers in networks.groups:
            figures[indices] = self._column(setting, width, vocabulary).sums(layers)
        return figures

    def require(self, network: Architecture, setting: PhaseSetting) -> None:
        """Raise InputError if a term of this network is missing, and name it."""
        overhead = setting.key(OVERHEAD, network.width, network.vocabulary)
        for key in (overhead, *(setting.key(operator.notation, network.width) for operator in network.operators)):
            if key not in self._terms:
                what = f"operator '{key.operator}'"
                if key.vocabulary:
                    what = f"{key.operator} with a vocabulary of {key.vocabulary}"
                raise InputError(f"latency table: no {what} at width {key.width} for {setting}")

    def _column(self, setting: PhaseSetting, width: int, vocabulary: int) -> Column:
        key = (setting, width, vocabulary)
        if key not in self._columns:
            self._columns[key] = Column(self._terms, self._prices.get(setting.key(BEYOND), []), *key)
        return self._columns[key]
