"""A whole search, from its configuration to a study with a confirmed front."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from nas_search.errors import InputError, RunError
from nas_search.profiler.device import package_version
from nas_search.profiler.table import LatencyTable
from nas_search.search.budget import resolve_budget
from nas_search.search.choice import search_front, worth_confirming
from nas_search.search.config import SearchConfig, content_hash
from nas_search.search.confirm import ConfirmStage, measure
from nas_search.search.events import EventLog, Observer, Stopwatch, seconds_by_phase
from nas_search.search.executors.base import ExecutorFactory
from nas_search.search.executors.local import LocalExecutor
from nas_search.search.jobs import is_disk_full
from nas_search.search.journal import StudyJournal
from nas_search.search.loop import SearchLoop
from nas_search.search.proposer import Proposer
from nas_search.search.rundir import open_run
from nas_search.search.samplers.base import distributions
from nas_search.search.setting import prepare
from nas_search.search.sitting import Sitting
from nas_search.search.study import Facts, Study
from nas_search.search.table_stage import frozen_table, keep_table
from nas_search.search.training import Training
from nas_search.space.kernels.report import check_kernels

VERSIONS = ("nas-search", "torch", "numpy", "optuna")
SAME = ("space", "corpus", "table", "limit_ms", "penalty_loss")
"""Facts in which a resumed study must not differ. Other versions are only worth a note."""


def run_search(
    config: SearchConfig,
    run_dir: Path,
    observer: Observer,
    *,
    make_executor: ExecutorFactory = LocalExecutor,
) -> Study:
    """Run a search in ``run_dir``, or go on with the one that is there, and return its study.

    Raises InputError for bad input (no new directory is left behind), RunError if it cannot go on, and lets
    KeyboardInterrupt through once the workers have stopped. In the latter two cases the study is intact, and the
    same call goes on.
    """
    setting = prepare(config)
    check_kernels(
        setting.space.operator_specs(),
        setting.device.name,
        dtype=setting.workload.dtype,
        strict=setting.config.strict_kernels,
        note=observer.note,
    )
    try:
        with open_run(run_dir, setting.config, setting.space) as run:
            log = EventLog(run.events)
            with (
                closing(Stopwatch(log, seconds_by_phase(run.events))) as watch,
                closing(make_executor(run.path, setting.config.worker_count)) as executor,
            ):
                _all_stages(Sitting(setting, run, executor, observer, log, watch))
    except OSError as error:
        if is_disk_full(error):
            raise RunError(f"{run_dir}: disk full; the study is intact, make room and run the same again") from None
        raise
    return Study.open(run_dir)


def _all_stages(sitting: Sitting) -> None:
    """Table, budget, search, confirmation; each does what earlier sittings left to do."""
    sitting.log.append("sitting", versions=_versions())
    table = frozen_table(sitting)
    limit_ms = _limit(sitting, table)
    setting = sitting.setting
    journal = StudyJournal(sitting.run.journal, distributions(setting.space.genes))
    _begin(sitting, journal, table, limit_ms)
    training = Training(sitting.run.path, setting.corpus.path, setting.config.recipe, setting.ladder)
    proposer = Proposer(
        space=setting.space,
        predict_ms=lambda architecture: table.predict_ms(architecture, setting.workload),
        limit_ms=limit_ms,
        seed=setting.config.seed,
    )
    sitting.observer.phase("search", setting.config.trials)
    SearchLoop(sitting, journal, proposer, training).run()
    front = search_front([journal.record(trial) for trial in journal.trials()])
    if not front:
        sitting.observer.note("no trial reached the top rung: nothing to confirm")
        return
    reference = (limit_ms or front[-1].latency_ms, setting.penalty_loss)
    members = worth_confirming(front, setting.config.confirm_members, reference)
    if members:
        ConfirmStage(sitting, training, clock=table.clock).run(members)


def _limit(sitting: Sitting, table: LatencyTable) -> float | None:
    """The latency limit. A table that was recorded for an impossible one is not lost."""
    config, setting = sitting.config, sitting.setting
    if config.latency_budget is None:
        return None
    try:
        return resolve_budget(
            config.latency_budget,
            table,
            setting.space,
            setting.workload,
            lambda architecture: measure(sitting, [architecture.notation], table.clock)[0].latency_ms,
        )
    except InputError as error:
        kept = None if config.table else keep_table(sitting.run)
        raise InputError(f"{error}; --table {kept} spares another recording" if kept else str(error)) from None


def _begin(sitting: Sitting, journal: StudyJournal, table: LatencyTable, limit_ms: float | None) -> None:
    """Store what the study is a function of, or compare. Raises InputError, naming what differs."""
    setting = sitting.setting
    facts = Facts(
        space=content_hash(setting.space.model_dump(mode="json")),
        corpus=setting.corpus.hash,
        table=table.hash,
        limit_ms=limit_ms,
        penalty_loss=setting.penalty_loss,
        versions=_versions(),
    )
    stored = journal.facts()
    if not stored:
        journal.set_facts(facts.model_dump(mode="json"))
        return
    before = Facts.model_validate(stored)
    for name in SAME:
        if getattr(before, name) != getattr(facts, name):
            raise InputError(
                f"{sitting.run.path}: the study was begun with {name} {getattr(before, name)}, now it is "
                f"{getattr(facts, name)}; figures would not compare, give another run directory"
            )
    if before.versions != facts.versions:
        sitting.observer.note(f"versions changed since the study began: {before.versions}, now {facts.versions}")


def _versions() -> dict[str, str]:
    return {name: package_version(name) for name in VERSIONS}
