"""Recording a latency table: time the stacks, fit the calibration, check it on networks held out."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from nas_search.errors import InputError
from nas_search.profiler.calibrate import MIN_NETWORKS, fit_affine
from nas_search.profiler.check import CheckFigures, TableCheck, check_figures
from nas_search.profiler.device import Device, resolve_device
from nas_search.profiler.measure import measure_architectures
from nas_search.profiler.sessions import Session, run_sessions
from nas_search.profiler.stacks import StackPlan
from nas_search.profiler.statistics import Matrix, choose_clock, is_busy
from nas_search.profiler.table import LatencyTable, TableInfo, WorkloadRecord
from nas_search.profiler.timing import Progress, StopRule
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture
from nas_search.space.operators.base import OperatorSpec

CALIBRATION_NETWORKS = 16
# Enough rounds for medians within 1-2 % on a noisy core, in less than a minute of it for the CPU space.
TABLE_STOP = StopRule(interval=0.01, min_rounds=9, max_rounds=200, max_seconds=36.0)


def record_table(
    operators: Sequence[OperatorSpec],
    widths: Sequence[int],
    vocabulary: int,
    workloads: Sequence[Workload],
    device: Device,
    *,
    seed: int,
    sample: Sequence[Architecture],
    meta_tokens: int = 0,
    calibration_networks: int = CALIBRATION_NETWORKS,
    stop: StopRule = TABLE_STOP,
    progress: Progress | None = None,
) -> LatencyTable:
    """Time every operator at every width, fit the calibration and check it on networks held out.

    ``sample`` holds random networks of these operators and widths with this vocabulary and these meta tokens: the
    first ``calibration_networks`` calibrate, the others check, each measured twice. ``stop`` holds for each
    workload; one clock holds for all. Raises InputError if there are too few networks to calibrate on, or if they
    do not fit into memory.
    """
    started = time.monotonic()
    plan = StackPlan(tuple(operators), tuple(widths), vocabulary)
    calibration, held_out = sample[:calibration_networks], sample[calibration_networks:]
    if len(calibration) < MIN_NETWORKS:
        raise InputError(f"sample: {len(calibration)} networks to calibrate on; at least {MIN_NETWORKS} are needed")
    whole = [*calibration, *held_out, *held_out]
    sessions, kernels = run_sessions(
        plan, whole, workloads, device=device, meta_tokens=meta_tokens, seed=seed, stop=stop, progress=progress
    )
    table = _uncalibrated(sessions, device, kernels, seed)
    records = {str(session.workload): _record(table, session, calibration, held_out) for session in sessions}
    seconds = round(time.monotonic() - started, 1)
    return LatencyTable(table.info.model_copy(update={"workloads": records, "seconds": seconds}), table.cells)


def _uncalibrated(sessions: Sequence[Session], device: Device, kernels: tuple[str, ...], seed: int) -> LatencyTable:
    """The terms of all sessions, on the clock that all samples together call for."""
    wall = np.concatenate([session.samples.wall_ms.ravel() for session in sessions])
    cpu = np.concatenate([session.samples.cpu_ms.ravel() for session in sessions])
    clock = choose_clock(wall, cpu)
    info = TableInfo(
        device=device, clock=clock, busy=is_busy(wall, cpu), seed=seed, kernels=kernels, seconds=0.0, workloads={}
    )
    cells = {cell.key: cell for session in sessions for cell in session.cells(clock, seed=seed)}
    return LatencyTable(info, cells.values())


def _record(
    table: LatencyTable, session: Session, calibration: Sequence[Architecture], held_out: Sequence[Architecture]
) -> WorkloadRecord:
    """Fit on ``calibration``, check on ``held_out``; the session timed those once and these twice."""
    measured = session.whole_ms(table.clock)
    known, twice = np.split(measured, [len(calibration)])
    raw = np.array([table.raw_ms(network, session.workload) for network in calibration])
    depth = np.array([float(network.depth) for network in calibration])
    record = WorkloadRecord(calibration=fit_affine(raw, known), depth_only=fit_affine(depth, known))
    if not held_out:
        return record
    check = _compare(table, record, session.workload, held_out, twice.reshape(2, -1))
    return record.model_copy(update={"check": check})


def check_table(
    table: LatencyTable,
    workload: Workload,
    networks: Sequence[Architecture],
    *,
    seed: int,
    stop: StopRule = TABLE_STOP,
    progress: Progress | None = None,
) -> TableCheck:
    """Measure ``networks``, each twice and on the table's clock, and compare them with the table.

    Raises InputError if the table lacks one of them or is of another device.
    """
    table.require_device(resolve_device(table.device.name))
    record = table.record(workload)
    for network in networks:
        table.raw_ms(network, workload)
    measured = measure_architectures(
        [*networks, *networks],
        workload,
        seed=seed,
        device=table.device,
        clock=table.clock,
        stop=stop,
        progress=progress,
    )
    latencies = np.array([measurement.latency_ms for measurement in measured])
    return _compare(table, record, workload, networks, latencies.reshape(2, -1))


def _compare(
    table: LatencyTable,
    record: WorkloadRecord,
    workload: Workload,
    networks: Sequence[Architecture],
    measured_ms: Matrix,
) -> TableCheck:
    """The check of ``record`` on ``networks`` with their latencies [2, networks] on the table's clock."""
    raw = np.array([table.raw_ms(network, workload) for network in networks])
    figures = CheckFigures(
        raw=raw,
        calibrated=np.array([record.calibration.apply(x) for x in raw]),
        depth_only=np.array([record.depth_only.apply(network.depth) for network in networks]),
        measured=measured_ms[0],
        rerun=measured_ms[1],
    )
    return check_figures(figures, table.clock, seed=table.info.seed)
