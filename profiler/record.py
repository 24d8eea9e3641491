"""Recording a latency table: sitting by sitting, then fit and check."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from nas_search.errors import RunError
from nas_search.profiler.backend import Backend, backend_of
from nas_search.profiler.calibrate import PhaseRecord
from nas_search.profiler.cells import Cell
from nas_search.profiler.column import Costs
from nas_search.profiler.device import Device
from nas_search.profiler.fit import Recordings, Sitting, check_recorded, fit_cells, fit_phase
from nas_search.profiler.parts import Note, Parts
from nas_search.profiler.plan import TablePlan
from nas_search.profiler.sitting import MeasureSitting, SittingResult, measure_sitting
from nas_search.profiler.sittings import GIB, PlannedSitting, plan_sittings
from nas_search.profiler.statistics import shared_clock
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.table_info import TableInfo
from nas_search.profiler.timing import Progress
from nas_search.profiler.versions import package_version

PARTS_SUFFIX = ".parts"
VERSIONS = ("nas-search", "torch", "numpy", "triton")


def record_table(
    plan: TablePlan,
    device: Device,
    *,
    out: Path | None = None,
    backend: Backend | None = None,
    measure_one: MeasureSitting | None = None,
    note: Note = lambda text: None,
    progress: Progress | None = None,
) -> LatencyTable:
    """Measure everything that a plan names, fit the costs, calibrate them, and check on the networks held out.

    With ``out`` the table is saved there. What is finished stands in ``<out>.parts`` until then: the same call goes on
    where an interrupted one was. ``measure_one`` measures a sitting, in this process unless given. ``note`` is told
    which parts are not used, ``progress`` how much of everything is done. Raises InputError for networks that do not
    fit into memory, or energy without a counter; RunError if too few networks could run.
    """
    backend = backend or backend_of(device)
    if any(group.kind == "energy" for group in plan.groups(device)):
        backend.energy_meter()
    parts = None if out is None else Parts(out.with_name(out.name + PARTS_SUFFIX), note)
    free = backend.free_bytes()
    memory_bytes = free if parts is None else parts.begin(plan.key(device), free)
    planned, failures = plan_sittings(plan, device, memory_bytes)
    results = _measure_all(planned, parts, backend, measure_one or partial(measure_sitting, backend=backend), progress)
    sittings = list(zip((sitting.request for sitting in planned), results, strict=True))
    table = _fit(plan, device, sittings, memory_bytes, failures)
    if out is not None and parts is not None:
        table.save(out)
        parts.remove()
    return table


def _measure_all(
    planned: Sequence[PlannedSitting],
    parts: Parts | None,
    backend: Backend,
    measure_one: MeasureSitting,
    progress: Progress | None,
) -> list[SittingResult]:
    results = []
    for index, (request, needed_bytes) in enumerate(planned):
        result = None if parts is None else parts.read(index, request)
        report = _shifted(progress, planned, index)
        if result is None:
            _check_memory(needed_bytes, backend)
            result = measure_one(request, progress=report)
            if parts is not None:
                parts.write(index, request, result)
        if report is not None:
            report(request.stop.max_rounds, request.stop.max_rounds)
        results.append(result)
    return results


def _check_memory(needed_bytes: int, backend: Backend) -> None:
    """Memory may have been taken by others since the plan was made; timing would time the disk."""
    gc.collect()
    free = backend.free_bytes()
    if needed_bytes > free:
        raise RunError(
            f"latency table: what is measured next needs {needed_bytes / GIB:.2g} GiB, and {free / GIB:.2g} GiB are "
            "free now; make room and run the same again"
        )


def _shifted(progress: Progress | None, planned: Sequence[PlannedSitting], index: int) -> Progress | None:
    """Progress of one sitting as part of all."""
    if progress is None:
        return None
    rounds = [request.stop.max_rounds for request, _ in planned]
    return lambda done, total: progress(sum(rounds[:index]) + rounds[index] * done // max(total, 1), sum(rounds))


def _fit(
    plan: TablePlan, device: Device, sittings: Sequence[Sitting], memory_bytes: int, failures: dict[str, str]
) -> LatencyTable:
    results = [result for _, result in sittings]
    clock = shared_clock(result.verdict.clock for result in results)
    recordings = Recordings(sittings, clock)
    for request, result in sittings:
        failures = failures | {request.tasks[index].network: reason for index, reason in result.failures.items()}
    cells, phases = _fit_phases(plan, device, recordings, failures)
    info = TableInfo(
        space=plan.space,
        device=device,
        clock=clock,
        busy=any(result.verdict.busy for result in results),
        seed=plan.seed,
        kernels=tuple(dict.fromkeys(kernel for result in results for kernel in result.kernels)),
        seconds=round(sum(result.seconds for result in results), 1),
        memory_bytes=memory_bytes,
        phases=phases,
        workloads=dict.fromkeys(map(str, plan.workloads)),
        failures=failures,
        versions={name: package_version(name) for name in VERSIONS},
        recorded_at=datetime.now(UTC).date().isoformat(),
    )
    table, costs = LatencyTable(info, cells), Costs(cells)
    checks = {str(one): check_recorded(table, recordings, costs, plan.held_out, one) for one in plan.workloads}
    return LatencyTable(info.model_copy(update={"workloads": checks}), cells)


def _fit_phases(
    plan: TablePlan, device: Device, recordings: Recordings, failures: dict[str, str]
) -> tuple[list[Cell], dict[str, PhaseRecord]]:
    """Terms and calibrations of every setting; an optional one that too few networks could run is left out."""
    cells: list[Cell] = []
    phases: dict[str, PhaseRecord] = {}
    for group in plan.groups(device):
        for setting in group.settings:
            found = fit_cells(recordings, plan, device, setting)
            try:
                record = fit_phase(recordings, Costs(found), plan.calibrating, setting)
            except RunError as error:
                if group.optional and group.batch > 1:
                    continue
                reason = next(iter(failures.values()), None)
                raise RunError(f"{error} ({reason})" if reason else str(error)) from None
            cells += found
            phases[str(setting)] = record
    return cells, phases
