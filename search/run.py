"""A whole search, from its configuration to a study with a confirmed front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from nas_search.errors import MEND_IT, InputError, RunError, system_refusal
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.versions import package_version
from nas_search.proxies.twin import TwinRule
from nas_search.search.choice import search_front, worth_confirming
from nas_search.search.chosen_shape import ChosenShape
from nas_search.search.config import SearchConfig, content_hash
from nas_search.search.confirm import ConfirmStage
from nas_search.search.events import EventLog, Observer, Stopwatch, seconds_by_phase
from nas_search.search.executors.base import ExecutorFactory
from nas_search.search.executors.site import open_site
from nas_search.search.goals import Goals
from nas_search.search.journal import StudyJournal, candidate_of, record_of
from nas_search.search.latency_limit import latency_limit
from nas_search.search.law_stage import check_two_stage, first_stage
from nas_search.search.loop import SearchLoop
from nas_search.search.prior import Prior
from nas_search.search.problem import SearchProblem
from nas_search.search.proposer import Proposer
from nas_search.search.recall_training import RecallTraining
from nas_search.search.rundir import TABLE, open_run
from nas_search.search.samplers.base import distributions
from nas_search.search.samplers.factory import sampler_maker
from nas_search.search.scoring import decide_twins, twin_note
from nas_search.search.setting import Setting, prepare
from nas_search.search.sitting import Sitting
from nas_search.search.space_members import SpaceMembers
from nas_search.search.storage.access import StudyAccess, study_access
from nas_search.search.storage.home import placed
from nas_search.search.study import Facts, Study
from nas_search.search.table_stage import frozen_table
from nas_search.search.training import Training
from nas_search.search.trial import Confirmation, TrialRecord
from nas_search.search.utilisation import counted
from nas_search.search.warm_start import warm_start

VERSIONS = ("nas-search", "torch", "numpy", "optuna")
SAME = ("shape", "space", "corpus", "table", "objectives", "limits", "penalty_loss", "warm_start")
"""Facts in which a resumed study must not differ. Other versions are only worth a note."""


def run_search(
    config: SearchConfig,
    run_dir: Path,
    observer: Observer,
    *,
    make_executor: ExecutorFactory | None = None,
) -> Study:
    """Run a search in ``run_dir``, or go on with the one that is there, and return its study.

    Raises InputError for bad input (no new directory is left behind), RunError if it cannot go on, and lets
    KeyboardInterrupt through once the workers have stopped. In the latter two cases the study is intact, and the
    same call goes on.
    """
    config = placed(config, run_dir)
    with closing(open_site(config)) as site, study_access(config, run_dir, observer.note) as access:
        with access.known_table(run_dir / TABLE) as table:
            setting = prepare(config, table, site)
        check_two_stage(setting, run_dir)
        if setting.source.measures:
            strict = setting.config.strict_kernels
            operators = setting.space.operator_specs()
            for line in site.kernel_notes(operators, setting.device, setting.workload.dtype, strict=strict):
                observer.note(line)
        _in_run(setting, run_dir, observer, make_executor or site.executor, access)
    return Study.open(run_dir)


def _in_run(
    setting: Setting, run_dir: Path, observer: Observer, make_executor: ExecutorFactory, access: StudyAccess
) -> None:
    """The run itself, in its directory and with workers, which end with it."""
    try:
        with open_run(run_dir, setting.config, setting.space) as run:
            log = EventLog(run.events)
            with (
                closing(Stopwatch(log, seconds_by_phase(run.events))) as watch,
                closing(make_executor(run.path, setting.config.worker_count)) as executor,
            ):
                _all_stages(Sitting(setting, run, executor, observer, log, watch), access)
    except OSError as error:
        raise RunError(f"{run_dir}: {system_refusal(error)}; {MEND_IT}") from None


def _all_stages(sitting: Sitting, access: StudyAccess) -> None:
    """Table, budget, search, confirmation; each does what earlier sittings left to do."""
    sitting.log.append("sitting", versions=_versions())
    setting = sitting.setting
    config = setting.config
    if setting.repeats is not None:
        sitting.observer.note(f"data '{config.data}': {setting.repeats}")
    training = Training(sitting.run.path, setting.corpus.path, config.recipe, setting.ladder, config.train_device)
    tasks = setting.goals.recalls
    recall = RecallTraining(sitting.run.path, tasks, config.recall, config.seed, config.train_device)
    with access.beginning(sitting.run, config):
        stored = access.facts(sitting.run)
        twins = _twins(sitting, stored)
        prior = warm_start(sitting, training, recall, twins)
        table = frozen_table(sitting)
        goals = setting.goals.with_budget(latency_limit(sitting, table))
        before = Facts.stored(stored, sitting.run.path).shape if stored else None
        sitting, shape = first_stage(sitting, table, goals.main_limit, twins, before)
        setting = sitting.setting
        journal = access.journal(sitting.run, distributions(setting.space.genes), goals)
        _begin(sitting, journal, _facts(setting, table, goals, twins=twins, prior=prior, shape=shape))
    members = SpaceMembers(setting.space, goals, table.predict_many, twins)
    make_sampler = sampler_maker(config.sampler, config.sampler_options)
    sources = (prior.within(setting.space) if shape else prior).sources(members.architecture_features)
    problem = SearchProblem(members, goals, setting.penalty_loss, sources)
    proposer = Proposer(problem, make_sampler, config.seed)
    sitting.observer.phase("search", setting.config.trials)
    loop = SearchLoop(
        config,
        journal,
        proposer,
        training,
        executor=sitting.executor,
        observer=sitting.observer,
        log=sitting.log,
        watch=sitting.watch,
        recall=recall,
    )
    with counted(sitting.executor, config.worker_count, sitting.log):
        loop.run()
    records = [record_of(trial) for trial in journal.trials() if candidate_of(trial)]
    if prior.runs:
        sitting.observer.note(_spared(records))
    front = search_front(records, goals)
    if not front:
        sitting.observer.note(_why_no_front(records, goals))
        return
    reference = goals.reference(records, setting.penalty_loss)
    chosen = worth_confirming(front, setting.config.confirm_members, goals, reference)
    if loop.ledger.elsewhere:
        sitting.observer.note(f"{len(loop.ledger.elsewhere)} trials still run at other drivers: they confirm the front")
    elif not chosen or _all_confirmed(chosen, access.confirmed(), goals):
        return
    else:
        with access.confirming() as ours:
            if ours:
                recall = recall.again(goals.confirmed_recalls)
                ConfirmStage(sitting, training, recall, clock=table.clock).run(chosen)


def _all_confirmed(chosen: Sequence[TrialRecord], confirmed: Mapping[str, Confirmation], goals: Goals) -> bool:
    """Whether other drivers have confirmed all of them, with all columns of recall."""
    columns = {quantity.name for quantity in goals.confirmed_recalls}
    found = [confirmed.get(record.fingerprint) for record in chosen]
    return all(one is not None and one.recalls.keys() >= columns for one in found)


def _twins(sitting: Sitting, stored: Mapping[str, Any]) -> TwinRule | None:
    """How candidates are scored, as it was when the study began, or decided now; a note if it is as twins."""
    twins = Facts.stored(stored, sitting.run.path).twins if stored else decide_twins(sitting.setting)
    if twins is not None:
        sitting.observer.note(twin_note(sitting.setting, twins))
    return twins


def _facts(
    setting: Setting,
    table: LatencyTable,
    goals: Goals,
    *,
    twins: TwinRule | None,
    prior: Prior,
    shape: ChosenShape | None,
) -> Facts:
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
        shape=shape,
        versions=_versions(),
    )


def _begin(sitting: Sitting, journal: StudyJournal, facts: Facts) -> None:
    """Store what the study is a function of, or compare. Raises InputError, naming what differs."""
    stored = journal.facts()
    if not stored:
        journal.set_facts(facts.model_dump(mode="json"))
        return
    before = Facts.stored(stored, sitting.run.path)
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
    below = sum(record.state == "below_limit" for record in records)
    if below and below == sum(record.trained for record in records):
        limits = ", ".join(str(limit) for limit in goals.limits if limit.quantity.is_recall)
        return (
            f"none of {below} candidates that were trained on recall keeps the limits on it ({limits}): none to confirm"
        )
    if not records or any(record.trained for record in records):
        return "no trial reached the top rung: nothing to confirm"
    limits = ", ".join(map(str, goals.limits))
    return f"none of {len(records)} proposals is within the limits ({limits}): nothing was trained"


def _versions() -> dict[str, str]:
    return {name: package_version(name) for name in VERSIONS}
