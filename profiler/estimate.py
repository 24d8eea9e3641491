"""Latencies of a device that nothing was measured on: by the roofline, and how far that is from a recorded table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nas_search.errors import InputError
from nas_search.profiler.cells import OVERHEAD, Cell, CellKey, PhaseSetting
from nas_search.profiler.phases import weighted_phases
from nas_search.profiler.roofline import Rates, bound_ms, estimate_ms, fixed_work, layer_work
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture
from nas_search.space.operators.base import OperatorSpec

Vector = NDArray[np.float64]


class Predictor(Protocol):
    """What a latency table can do."""

    def predict_many(self, architectures: Sequence[Architecture], workload: Workload) -> Vector:
        """A figure for each architecture, in the workload's unit."""
        ...


def estimate_cells(
    operators: Sequence[OperatorSpec],
    widths: Sequence[int],
    vocabulary: int,
    settings: Iterable[PhaseSetting],
    rates: Rates,
) -> list[Cell]:
    """The cells of a table by the roofline: every operator and the overhead, at every width in every setting.

    Raises InputError for a setting that is about energy, which does not follow from rates.
    """
    cells = []
    for setting, width in product(settings, widths):
        if setting.phase.kind == "energy":
            raise InputError("energy cannot be estimated from rates: measure it, or take a recorded table")
        works = {setting.key(operator.notation, width): layer_work(operator, width, setting) for operator in operators}
        works[setting.key(OVERHEAD, width, vocabulary)] = fixed_work(width, vocabulary, setting)
        cells += [_cell(key, work.estimate_ms(rates)) for key, work in works.items()]
    return cells


def workload_bound_ms(architecture: Architecture, workload: Workload, rates: Rates) -> float:
    """The least time for a workload. Raises InputError for one that is no latency."""
    return _weighted(bound_ms, architecture, workload, rates, captured=False)


def workload_estimate_ms(
    architecture: Architecture, workload: Workload, rates: Rates, *, captured: bool = False
) -> float:
    """The estimated time of a workload, whose steps may be replayed from ``captured`` graphs.

    Raises InputError for one that is no latency.
    """
    return _weighted(estimate_ms, architecture, workload, rates, captured=captured)


def mean_error(estimated: Vector, reference: Vector) -> float:
    """Mean absolute error of estimates as a share of the reference (MAPE)."""
    return float(np.mean(np.abs(estimated / reference - 1)))


def roofline_error(table: Predictor, architectures: Sequence[Architecture], workload: Workload, rates: Rates) -> float:
    """The mean error of the roofline's estimates against what a recorded table predicts for the same networks."""
    estimated = np.array([workload_estimate_ms(architecture, workload, rates) for architecture in architectures])
    return mean_error(estimated, table.predict_many(architectures, workload))


def _cell(key: CellKey, ms: float) -> Cell:
    """From no rounds at all."""
    return Cell(key, ms, ms, ms, ms, ms, 0)


def _weighted(
    of_phase: Callable[[Architecture, PhaseSetting, Rates], float],
    architecture: Architecture,
    workload: Workload,
    rates: Rates,
    *,
    captured: bool,
) -> float:
    if not workload.is_latency:
        raise InputError(f"workload '{workload}': a roofline gives times, of decode, prefill and generate")
    return sum(
        weight * of_phase(architecture, PhaseSetting(phase, workload.batch, workload.precision), rates)
        for phase, weight in weighted_phases(workload, architecture.meta_tokens, captured=captured)
    )
