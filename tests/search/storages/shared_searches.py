"""Searches in a table by drivers of a shared study, and studies in every kind of storage."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from search_fakes import Recorder

from nas_search.search.config import SearchConfig
from nas_search.search.events import SilentLog, Stopwatch
from nas_search.search.executors.base import JobEvent, JobFinished
from nas_search.search.jobs import Job
from nas_search.search.journal import StudyJournal
from nas_search.search.loop import SearchLoop
from nas_search.search.proposer import Proposer
from nas_search.search.rundir import RunDirectory
from nas_search.search.samplers.base import distributions
from nas_search.search.samplers.factory import sampler_maker
from nas_search.search.samplers.options import SamplerOptions
from nas_search.search.simulation.recorded_training import RecordedTraining
from nas_search.search.simulation.search_table import SearchTable
from nas_search.search.storage.driver import LeaseTimes
from nas_search.search.storage.shared_access import SharedAccess

CALM = LeaseTimes(lease_seconds=3600, heartbeat_seconds=600)
"""Nobody seems dead because the machine is slow."""
FACTS = {"space": "s", "versions": {}}


class Steps:
    """Runs one job at a time, when it is asked to wait; ``watch`` is called before each is done."""

    def __init__(self, finish: Callable[[Job], None], watch: Callable[[Job], None] = lambda job: None) -> None:
        self.finish, self.watch = finish, watch
        self.queue: deque[Job] = deque()
        self.done: list[str] = []
        self.busy_seconds = 0.0

    def submit(self, job: Job) -> None:
        self.queue.append(job)

    def wait(self, timeout_seconds: float) -> list[JobEvent]:
        if not self.queue:
            time.sleep(0.01)
            return []
        job = self.queue.popleft()
        self.watch(job)
        self.finish(job)
        self.done.append(job.name)
        return [JobFinished(job.name, None)]

    def close(self) -> None:
        self.queue.clear()


def nobody_hears(note: str) -> None:
    """What the storage has to say goes nowhere."""


@contextmanager
def access(
    url: str, folder: Path, times: LeaseTimes = CALM, note: Callable[[str], None] = nobody_hears
) -> Iterator[SharedAccess]:
    """A driver's way to the study 'study' of a storage."""
    folder.mkdir(exist_ok=True)
    config = SearchConfig.checked({"storage": url, "study": "study"})
    found = SharedAccess(config, folder, note, times=times, patience_seconds=20)
    try:
        yield found
    finally:
        found.close()


def begin(way: SharedAccess, folder: Path, table: SearchTable, **fields: Any) -> StudyJournal:
    """Begin or join the study."""
    problem = table.problem()
    run = RunDirectory(folder)
    with way.beginning(run, SearchConfig.checked({"trials": 12, **fields})):
        journal = way.journal(run, distributions(problem.space.genes), problem.goals)
        if not journal.facts():
            journal.set_facts(FACTS)
    return journal


def loop_of(journal: StudyJournal, table: SearchTable, config: SearchConfig, watch: Any = None) -> SearchLoop:
    """A search with one worker in this process."""
    training = RecordedTraining(table.ladder, table.losses, table.seconds)
    observer = Recorder()
    observer.phase("search", config.trials)
    return SearchLoop(
        config,
        journal,
        Proposer(table.problem(), sampler_maker(config.sampler, SamplerOptions()), config.seed),
        training,
        executor=Steps(training.finish, watch or (lambda job: None)),
        observer=observer,
        log=SilentLog(),
        watch=Stopwatch(SilentLog(), {}),
    )
