"""The terms of one phase at one width, ready to be added up for many networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from nas_search.errors import InputError
from nas_search.profiler.cells import BEYOND, CHANGE, OVERHEAD, TRAFFIC, CellKey, PhaseSetting
from nas_search.profiler.memory import fixed_mib, layer_mib
from nas_search.space.operators.base import OperatorSpec


class LayerCost(NamedTuple):
    """What one layer adds."""

    ms: float
    mib: float


class Column(dict[OperatorSpec, LayerCost]):
    """A layer's cost by operator, looked up when first asked for. Raises InputError where a term is missing.

    The terms that only correct (CHANGE, TRAFFIC, BEYOND) count nothing if the table has none.
    """

    def __init__(self, terms: Mapping[CellKey, float], setting: PhaseSetting, width: int, vocabulary: int) -> None:
        super().__init__()
        self._terms, self._setting, self._width = terms, setting, width
        self._fixed = LayerCost(
            self._term(setting.key(OVERHEAD, width, vocabulary)), fixed_mib(width, vocabulary, setting)
        )
        self._change_ms = terms.get(setting.key(CHANGE), 0.0)
        self._traffic_ms = terms.get(setting.key(TRAFFIC, width), 0.0)
        self._beyond = [
            (float(key.operator.removeprefix(BEYOND)), price)
            for key, price in terms.items()
            if key.operator.startswith(BEYOND) and key == setting.key(key.operator) and price
        ]

    def __missing__(self, operator: OperatorSpec) -> LayerCost:
        ms = self._term(self._setting.key(operator.notation, self._width))
        self[operator] = cost = LayerCost(ms, layer_mib(operator, self._width, self._setting))
        return cost

    def network_ms(self, operators: Sequence[OperatorSpec]) -> float:
        """The latency of a network of these operators."""
        total_ms, touched = self._fixed
        layers = [self[operator] for operator in operators]
        previous = layers[0]
        for layer in layers:
            total_ms += layer.ms
            touched += layer.mib
            # Equal operators share one entry, so this is a comparison of operators.
            if layer is not previous:
                total_ms += self._change_ms
                previous = layer
        total_ms -= self._traffic_ms * touched
        return total_ms + sum(price * (touched - knot) for knot, price in self._beyond if touched > knot)

    def _term(self, key: CellKey) -> float:
        try:
            return self._terms[key]
        except KeyError:
            what = f"operator '{key.operator}'"
            if key.vocabulary:
                what = f"{key.operator} with a vocabulary of {key.vocabulary}"
            raise InputError(
                f"latency table: no {what} at width {key.width} for {key.phase} at {key.context} tokens"
            ) from None
