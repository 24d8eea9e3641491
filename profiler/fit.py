"""From the samples of all sittings to a latency table: terms, calibrations, checks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from nas_search.errors import RunError
from nas_search.profiler.calibrate import MIN_NETWORKS, PhaseRecord, fit_affine
from nas_search.profiler.cells import Cell, PhaseSetting
from nas_search.profiler.check import CheckFigures, TableCheck, check_figures
from nas_search.profiler.column import Costs
from nas_search.profiler.cost_model import CostModel, traffic_knots
from nas_search.profiler.device import Device
from nas_search.profiler.layers import NetworkSet
from nas_search.profiler.phases import Phase
from nas_search.profiler.plan import Network, TablePlan
from nas_search.profiler.robust import Matrix, Vector
from nas_search.profiler.sitting import SittingRequest, SittingResult
from nas_search.profiler.statistics import ClockName
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture

BOOTSTRAPS = 30
NORMAL_95 = 1.96
Sitting = tuple[SittingRequest, SittingResult]


class TaskSamples(NamedTuple):
    """Samples of a network in one setting, [rounds] each, with the index of the sitting in which they were taken."""

    sitting: int
    steady: Vector
    wall: Vector
    device: Vector


class Recordings:
    """All samples, by network and setting, on one clock."""

    def __init__(self, sittings: Sequence[Sitting], clock: ClockName) -> None:
        self._found: dict[tuple[str, int, PhaseSetting], TaskSamples] = {}
        for number, (request, (samples, ran, *_)) in enumerate(sittings):
            rows = zip(samples.steady(clock), samples.wall, samples.device, strict=True) if ran else ()
            for index, row in zip(ran, rows, strict=True):
                notation, copy, contexts = request.tasks[index]
                for context in contexts:
                    setting = PhaseSetting(Phase(request.kind, context), request.batch, request.precision)
                    self._found[notation, copy, setting] = TaskSamples(number, *row)

    def of(self, networks: Iterable[Network], setting: PhaseSetting) -> dict[Network, TaskSamples]:
        """Those of the networks that ran."""
        found = {
            network: self._found.get((network.architecture.notation, network.copy, setting)) for network in networks
        }
        return {network: samples for network, samples in found.items() if samples is not None}

    def medians(self, networks: Sequence[Network], setting: PhaseSetting) -> Vector:
        """The figure of each network, not a number for those that did not run."""
        found = self.of(networks, setting)
        return np.array([np.median(found[network].steady) if network in found else np.nan for network in networks])


def fit_cells(recordings: Recordings, plan: TablePlan, device: Device, setting: PhaseSetting) -> list[Cell]:
    """The terms of one setting from its stacks; a term that lost all of them is left out."""
    stacks = plan.stacks(setting.precision, device)
    found = recordings.of(map(Network, stacks.networks), setting)
    model = CostModel(stacks, setting, [network.architecture for network in found], traffic_knots(device))
    rows = list(found.values())
    if not rows:
        return []
    value, wall, on_device = (
        model.solve(np.array([np.median(samples) for samples in column]))
        for column in ([row.steady for row in rows], [row.wall for row in rows], [row.device for row in rows])
    )
    reaches = NORMAL_95 * _spread(model, rows, np.random.default_rng(plan.seed))
    n = min(len(row.steady) for row in rows)
    return [
        Cell(key, term, term - float(reach), term + float(reach), wall[key], on_device[key], n)
        for (key, term), reach in zip(value.items(), reaches, strict=True)
    ]


def fit_phase(recordings: Recordings, costs: Costs, networks: Sequence[Network], setting: PhaseSetting) -> PhaseRecord:
    """The calibration of one setting, and what counting alone gives.

    Raises RunError if too few of the networks ran, or if they are all alike.
    """
    measured = recordings.medians(networks, setting)
    architectures = NetworkSet([network.architecture for network in networks])
    raw = costs.raw(architectures, setting)
    known = np.isfinite(measured) & np.isfinite(raw)
    if known.sum() < MIN_NETWORKS:
        raise RunError(
            f"latency table: {setting} ran on {known.sum()} of the {len(known)} networks to calibrate on; at least "
            f"{MIN_NETWORKS} are needed"
        )
    calibration, depth_only, parameters_only = (
        fit_affine(x[known], measured[known]) for x in (raw, architectures.depths, architectures.parameters)
    )
    return PhaseRecord(
        kind=setting.phase.kind,
        context=setting.phase.context,
        batch=setting.batch,
        precision=setting.precision,
        calibration=calibration,
        depth_only=depth_only,
        parameters_only=parameters_only,
    )


def check_recorded(
    table: LatencyTable, recordings: Recordings, costs: Costs, held_out: Sequence[Architecture], workload: Workload
) -> TableCheck | None:
    """The check of one workload, whose measured figures are composed of measured phases.

    Networks that did not run, or with a term that the table lacks, are left out; None if nothing is left.
    """

    def measured(copy: int) -> Vector:
        return table.composed_of(
            held_out,
            workload,
            lambda networks, setting: recordings.medians([Network(n, copy) for n in networks.networks], setting),
        )

    if not held_out or workload.kind == "memory":
        return None
    covered = np.isfinite(table.composed_of(held_out, workload, costs.raw))
    figures = np.where(covered, [measured(0), measured(1)], np.nan)
    return compare(table, held_out, workload, figures, clock=table.clock)


def compare(
    table: LatencyTable, networks: Sequence[Architecture], workload: Workload, measured: Matrix, *, clock: ClockName
) -> TableCheck | None:
    """The check of a table on ``networks`` with figures [2, networks] on ``clock``; those without one are left out.

    None if none is left. Raises InputError if the table lacks one of the others.
    """
    known = np.flatnonzero((measured > 0).all(0))
    there = [networks[int(index)] for index in known]
    if not there:
        return None
    figures = CheckFigures(
        raw=table.raw_many(there, workload),
        calibrated=table.predict_many(there, workload),
        depth_only=table.baseline_many(there, workload, "depth"),
        parameters_only=table.baseline_many(there, workload, "parameters"),
        measured=measured[0, known],
        rerun=measured[1, known],
    )
    return check_figures(figures, clock, seed=table.info.seed)


def _spread(model: CostModel, rows: Sequence[TaskSamples], rng: np.random.Generator) -> Vector:
    """Standard deviations of the terms, refitted to medians over rounds drawn with replacement (Efron 1979)."""
    refits = [list(model.solve(_redrawn(rows, rng)).values()) for _ in range(BOOTSTRAPS)]
    return np.asarray(np.std(refits, axis=0))


def _redrawn(rows: Sequence[TaskSamples], rng: np.random.Generator) -> Vector:
    """Medians over drawn rounds, the same ones for all that was measured in one sitting."""
    drawn: dict[int, np.ndarray] = {}
    for row in rows:
        if row.sitting not in drawn:
            drawn[row.sitting] = rng.integers(len(row.steady), size=len(row.steady))
    return np.array([np.median(row.steady[drawn[row.sitting]]) for row in rows])
