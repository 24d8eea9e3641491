"""The latency table of a run: frozen in its directory before trial 0."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nas_search.errors import InputError, RunError
from nas_search.files import write_atomic
from nas_search.profiler import recorded
from nas_search.profiler.estimated_table import estimate_table
from nas_search.profiler.table import LatencyTable
from nas_search.search.batch import run_jobs
from nas_search.search.executors.base import JobProgress
from nas_search.search.jobs import Job
from nas_search.search.latency_source import LatencySource, uncovered
from nas_search.search.rundir import TABLE, RunDirectory
from nas_search.search.setting import Setting
from nas_search.search.sitting import Sitting

PHASE = "table"
GOOD_MAPE, REFUSED_MAPE = 0.05, 0.25
"""A table's error on held-out networks, as a share, up to which it is good, and over which it is refused unless
measuring again errs as much."""


def frozen_table(sitting: Sitting) -> LatencyTable:
    """The run's table: the one that is there, or one copied, estimated or recorded now.

    Raises InputError if it is of another device, or lacks something of the space; RunError if it predicts badly.
    """
    run, config, source = sitting.run, sitting.config, sitting.setting.source
    if not run.table.exists():
        _make(sitting, source)
    table = _load(run.table, config.table)
    if config.table is not None and config.table.exists():
        _require_same(config.table, table, run.table)
    table.require_device(source.device)
    _require_cover(table, sitting.setting, config.table or run.table)
    _say_source(table, source, sitting)
    _judge(table, sitting)
    return table


@contextmanager
def table_is_not_lost(sitting: Sitting) -> Iterator[None]:
    """Bad input that shows inside may end a run that was just begun: its table is kept, and the error says where."""
    try:
        yield
    except InputError as error:
        recorded_now = sitting.setting.source.measures and sitting.config.table is None
        kept = keep_table(sitting.run) if recorded_now else None
        raise InputError(f"{error}; --table {kept} spares another recording" if kept else str(error)) from None


def keep_table(run: RunDirectory) -> Path | None:
    """Copy a run's table to the user's cache, since its directory is about to go. None if there is no table."""
    if not run.table.exists():
        return None
    return recorded.keep_table(LatencyTable.load(run.table))


def _make(sitting: Sitting, source: LatencySource) -> None:
    setting, target = sitting.setting, sitting.run.table
    if source.table is not None:
        _copy(source.table, target)
    elif source.known is not None:
        estimate_table(setting.space, setting.workloads, source.device, source.known).save(target)
    else:
        _record(sitting)


def _record(sitting: Sitting) -> None:
    arguments = {
        "space": sitting.setting.space.model_dump(mode="json"),
        "workloads": [str(workload) for workload in sitting.setting.workloads],
        "device": sitting.config.device,
        "seed": sitting.config.seed,
        "output": TABLE,
    }
    observer = sitting.observer
    job = Job(name="table", kind="record_table", arguments=arguments, alone=True)
    observer.phase(PHASE, 100)
    shown = 0

    def show(event: JobProgress) -> None:
        nonlocal shown
        hundredths = 100 * event.done // max(event.total, 1)
        observer.advance(hundredths - shown)
        shown = hundredths

    with sitting.watch.phase(PHASE):
        failures = run_jobs(sitting.executor, [job], progress=show)
    observer.advance(100 - shown)
    if failures:
        raise RunError(f"the latency table could not be recorded: {failures[job.name].reason}")


def _copy(source: Path, target: Path) -> None:
    LatencyTable.load(source)
    write_atomic(target, source.read_bytes())


def _load(frozen: Path, given: Path | None) -> LatencyTable:
    """The run's table. Raises InputError, saying what to do, if it is damaged."""
    try:
        return LatencyTable.load(frozen)
    except InputError as error:
        copied = f"remove it, and the same search copies {given} again" if given is not None else None
        raise InputError(
            f"{error}; {copied or 'put a copy of it there, with another one figures would not compare'}"
        ) from None


def _require_same(given: Path, table: LatencyTable, frozen: Path) -> None:
    if LatencyTable.load(given).hash != table.hash:
        raise InputError(f"table {given}: not the one that this run was begun with ({frozen})")


def _require_cover(table: LatencyTable, setting: Setting, path: Path) -> None:
    reasons = uncovered(table, setting.space, setting.workloads)
    if reasons:
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        raise InputError(f"table {path}: does not cover space {setting.space.name}: {reasons[0]}{more}")


def _say_source(table: LatencyTable, source: LatencySource, sitting: Sitting) -> None:
    """That nothing will be measured, where that is so."""
    if source.measures:
        return
    kind = "estimates from published rates" if table.source == "estimate" else "sums of a recorded table"
    sitting.observer.note(f"device '{table.device.name}' is not on this machine: its latencies are {kind}")


def _judge(table: LatencyTable, sitting: Sitting) -> None:
    if table.source == "estimate":
        return
    check = table.check(sitting.setting.workload)
    observer = sitting.observer
    if check is None:
        observer.note("latency table: not checked against networks held out")
        return
    observer.note(f"latency table: {check.summary()}")
    if not check.within(REFUSED_MAPE):
        raise RunError(
            f"latency table: refused, it errs by {check.mape_calibrated:.0%} on networks held out "
            f"(measuring again: {check.mape_rerun:.0%}); record it on a quieter machine"
        )
    if not check.within(GOOD_MAPE):
        observer.note(f"latency table: errs by more than {GOOD_MAPE:.0%}; predicted latencies are rough")
