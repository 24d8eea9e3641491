"""Latency budgets: a time, a multiple of the fastest member, or what another architecture takes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from nas_search.errors import InputError
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture
from nas_search.space.search_space import SearchSpace
from nas_search.space.zoo import resolve_architecture

_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(us|ms|s|x)")
_MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
FORMS = "12ms, 15s, 3x (times the fastest member), or an architecture"


@dataclass(frozen=True)
class Milliseconds:
    """A time in the workload's unit."""

    value: float


@dataclass(frozen=True)
class TimesFastest:
    """A multiple of the latency of the space's fastest member."""

    factor: float


Budget = Milliseconds | TimesFastest | Architecture
Measure = Callable[[Architecture], float]


def parse_budget(text: str) -> Budget:
    """Read ``12ms``, ``15s``, ``3x``, or an architecture. Raises InputError."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        try:
            return resolve_architecture(text)
        except InputError as error:
            raise InputError(f"latency budget '{text}': not one of {FORMS} ({error})") from None
    value, unit = float(match[1]), match[2]
    if not 0 < value < 1e12:
        raise InputError(f"latency budget '{text}': must be greater than zero, and less than 1e12")
    return TimesFastest(value) if unit == "x" else Milliseconds(value * _MILLISECONDS[unit])


def resolve_budget(text: str, table: LatencyTable, space: SearchSpace, workload: Workload, measure: Measure) -> float:
    """The limit in ms. ``measure`` times an architecture that the table does not cover.

    Raises InputError if no member of the space meets it, with the fastest there is.
    """

    def predicted(architecture: Architecture) -> float:
        return table.predict(architecture, workload)

    fastest = space.fastest(predicted)
    least_ms = predicted(fastest)
    limit_ms = _limit_ms(parse_budget(text), least_ms, predicted, measure)
    if limit_ms < least_ms:
        raise InputError(
            f"latency budget '{text}' ({limit_ms:.4g} {workload.unit}): no member of the space {space.name} meets it; "
            f"the fastest is {fastest.notation} with {least_ms:.4g} {workload.unit}"
        )
    return limit_ms


def _limit_ms(budget: Budget, least_ms: float, predicted: Measure, measure: Measure) -> float:
    if isinstance(budget, Milliseconds):
        return budget.value
    if isinstance(budget, TimesFastest):
        return budget.factor * least_ms
    try:
        return predicted(budget)
    except InputError:
        return measure(budget)
