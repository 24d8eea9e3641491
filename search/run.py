"""A whole search, from its configuration to a study with a confirmed front."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from nas_search.errors import InputError, RunError
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.versions import package_version
from nas_search.proxies.twin import TwinRule
from nas_search.search.choice import search_front, worth_confirming
from nas_search.search.config import SearchConfig, content_hash
from nas_search.search.confirm import ConfirmStage
from nas_search.search.events import EventLog, Observer, Stopwatch, seconds_by_phase
from nas_search.search.executors.base import ExecutorFactory
from nas_search.search.executors.local import LocalExecutor
from nas_search.search.goals import Goals
from nas_search.search.jobs import is_disk_full
from nas_search.search.journal import StudyJournal, read_study
from nas_search.search.journal_file import writable_storage
from nas_search.search.latency_limit import latency_limit
from nas_search.search.loop import SearchLoop
from nas_search.search.prior import Prior
from nas_search.search.problem import SearchProblem
from nas_search.search.proposer import Proposer
from nas_search.search.rundir import TABLE, open_run
from nas_search.search.samplers.base import distributions
from nas_search.search.samplers.factory import sampler_maker
from nas_search.search.scoring import decide_twins, twin_note
from nas_search.search.setting import Setting, prepare
from nas_search.search.sitting import Sitting
from nas_search.search.space_members import SpaceMembers
from nas_search.search.study import Facts, Study
from nas_search.search.table_stage import frozen_table
from nas_search.search.training import Training
from nas_search.search.trial import TrialRecord
from nas_search.search.warm_start import warm_start
from nas_search.space.kernels.report import check_kernels

VERSIONS = ("nas-search", "torch", "numpy", "optuna")
SAME = ("space", "corpus", "table", "objectives", "limits", "penalty_loss", "warm_start")
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
    setting = prepare(config, run_dir / TABLE)
    if setting.source.measures:
        check_kernels(
            setting.space.operator_specs(),
            setting.device.kind,
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
    setting = sitting.setting
    config = setting.config
    if setting.repeats is not None:
        sitting.observer.note(f"data '{config.data}': {setting.repeats}")
    twins = _twins(sitting)
    training = Training(sitting.run.path, setting.corpus.path, config.recipe, setting.ladder, config.train_device)
    prior = warm_start(sitting, training, twins)
    table = frozen_table(sitting)
    goals = setting.goals.with_budget(latency_limit(sitting, table))
    journal = StudyJournal(writable_storage(sitting.run.journal), distributions(setting.space.genes), goals)
    _begin(sitting, journal, _facts(setting, table, goals, twins, prior))
    members = SpaceMembers(setting.space, goals, table.predict_many, twins)
    make_sampler = sampler_maker(config.sampler, config.sampler_options)
    sources = prior.sources(members.architecture_features)
    problem = SearchProblem(members, goals, setting.penalty_loss, sources)
    proposer = Proposer(problem, make_sampler, config.seed)
    sitting.observer.phase("search", setting.config.trials)
    SearchLoop(
        config,
        journal,
        proposer,
        training,
        executor=sitting.executor,
        observer=sitting.observer,
        log=sitting.log,
        watch=sitting.watch,
    ).run()
    records = [journal.record(trial) for trial in journal.trials()]
    if prior.runs:
        sitting.observer.note(_spared(records))
    front = search_front(records, goals)
    if not front:
        sitting.observer.note(_why_no_front(records, goals))
        return
    reference = goals.reference(records, setting.penalty_loss)
    chosen = worth_confirming(front, setting.config.confirm_members, goals, reference)
    if chosen:
        ConfirmStage(sitting, training, clock=table.clock).run(chosen)


def _twins(sitting: Sitting) -> TwinRule | None:
    """How candidates are scored, as it was when the study began, or decided now; a note if it is as twins."""
    _, stored = read_study(sitting.run.journal) if sitting.run.journal.exists() else ([], {})
    twins = Facts.model_validate(stored).twins if stored else decide_twins(sitting.setting)
    if twins is not None:
        sitting.observer.note(twin_note(sitting.setting, twins))
    return twins


def _facts(setting: Setting, table: LatencyTable, goals: Goals, twins: TwinRule | None, prior: Prior) -> Facts:
    """What the study is a function of, beside its configuration."""
    return Facts(
        space=content_hash(setting.space.model_dump(mode="json")),
        corpus=setting.corpus.hash,
        train_tokens=len(setting.corpus.train),
        table=table.hash,
        objectives=tuple(quantity.name for quantity in goals.objectives),
        limits=tuple(map(str, goals.limits)),
        penalty_loss=setting.penalty_loss,
        twins=twins,
        warm_start=prior.hash,
        versions=_versions(),
    )


def _begin(sitting: Sitting, journal: StudyJournal, facts: Facts) -> None:
    """Store what the study is a function of, or compare. Raises InputError, naming what differs."""
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


def _spared(records: Sequence[TrialRecord]) -> str:
    spared, trained = sum(record.reused for record in records), sum(record.trained for record in records)
    return f"warm start: {spared} of {trained} candidates took no training here"


def _why_no_front(records: Sequence[TrialRecord], goals: Goals) -> str:
    if not records or any(record.trained for record in records):
        return "no trial reached the top rung: nothing to confirm"
    limits = ", ".join(map(str, goals.limits))
    return f"none of {len(records)} proposals is within the limits ({limits}): nothing was trained"


def _versions() -> dict[str, str]:
    return {name: package_version(name) for name in VERSIONS}
