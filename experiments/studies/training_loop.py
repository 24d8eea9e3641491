"""Doing trainings: budget by budget, as many at a time as there are workers, each of which has one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from plan import Training
from shards import Scored, Shard, Shards

from nas_search.errors import RunError
from nas_search.proxies.data import Corpus
from nas_search.proxies.rung_result import RungResult
from nas_search.search.executors.base import Executor, ExecutorFactory, JobEvent, JobProgress
from nas_search.search.jobs import JOBS_FOLDER, Job
from nas_search.search.rungs import Ladder
from nas_search.search.training import Training as RungJobs

Progress = Callable[[int, int], object]
"""Tokens trained, and all tokens."""
Told = Callable[[Shard], object]


class TrainingLoop:
    """Trains into ``shards``; what an interrupted one leaves in ``work`` is gone on from.

    ``machine`` and ``torch`` are kept with each shard. Raises RunError for a worker that fails, InputError for text
    that does not fit; a loss that is not finite is a shard with its failure.
    """

    def __init__(self, work: Path, corpus: Corpus, shards: Shards, machine: str, torch: str) -> None:
        self.work, self.corpus, self.shards = work, corpus, shards
        self.machine, self.torch = machine, torch

    def run(
        self,
        trainings: Sequence[Training],
        make_executor: ExecutorFactory,
        workers: int,
        progress: Progress = lambda done, total: None,
        told: Told = lambda shard: None,
    ) -> None:
        """Train all of them that have no shard."""
        (self.work / JOBS_FOLDER).mkdir(parents=True, exist_ok=True)
        missing = {training.name: training for training in trainings if self.shards.get(training) is None}
        total = sum(training.tokens[-1] for training in missing.values())
        with closing(make_executor(self.work, workers)) as executor:
            course = _Course(self, executor, iter(missing.values()), told)
            for _ in range(workers):
                course.start_next()
            while course.running:
                for event in executor.wait(1.0):
                    course.hear(event)
                    progress(sum(course.reached.values()), total)

    def next_job(self, training: Training) -> Job | None:
        """What is left to do first; None if all is done or it failed."""
        results = self._results(training)
        done = len(results) == len(training.tokens) or (results and results[-1].failure is not None)
        return None if done else self._job(training, len(results))

    def finish(self, training: Training) -> Shard:
        """Keep what came out as a shard, and its checkpoints no longer."""
        scores = [
            Scored(
                tokens=training.tokens[result.rung],
                bits_per_byte=result.bits_per_byte,
                seconds=round(result.seconds, 3),
                failure=result.failure,
            )
            for result in self._results(training)
        ]
        shard = Shard(training=training, machine=self.machine, torch=self.torch, scores=tuple(scores))
        self.shards.add(shard)
        self._jobs(training).forget(self._job(training, 0))
        return shard

    def _results(self, training: Training) -> list[RungResult]:
        results: list[RungResult] = []
        for rung in range(len(training.tokens)):
            result = self._jobs(training).result(self._job(training, rung))
            if result is None:
                break
            results.append(result)
        return results

    def _job(self, training: Training, rung: int) -> Job:
        return self._jobs(training).rung_job(training.architecture, training.name, rung, training.seed)

    def _jobs(self, training: Training) -> RungJobs:
        return RungJobs(self.work, self.corpus.path, training.recipe, Ladder(training.tokens), training.device)


@dataclass
class _Course:
    """Trainings that are ``waiting``, those ``running`` by the name of their job, and tokens ``reached`` by each."""

    loop: TrainingLoop
    executor: Executor
    waiting: Iterator[Training]
    told: Told
    running: dict[str, Training] = field(default_factory=dict)
    reached: dict[str, int] = field(default_factory=dict)

    def start_next(self) -> None:
        """The first that waits and has something left to do."""
        for training in self.waiting:
            if self.go_on(training):
                return

    def go_on(self, training: Training) -> bool:
        """With its next budget; False if there is none, and then it is finished."""
        job = self.loop.next_job(training)
        if job is None:
            self.reached[training.name] = training.tokens[-1]
            self.told(self.loop.finish(training))
            return False
        self.running[job.name] = training
        self.executor.submit(job)
        return True

    def hear(self, event: JobEvent) -> None:
        """A training got on, or a budget is done. Raises InputError or RunError if its job failed."""
        training = self.running.get(event.name)
        if training is None:
            return
        if isinstance(event, JobProgress):
            self.reached[training.name] = max(self.reached.get(training.name, 0), event.done)
            return
        del self.running[event.name]
        if event.failure is not None:
            event.failure.raise_unless_its_own()
            raise RunError(f"{training.architecture}: {event.failure.reason}")
        if not self.go_on(training):
            self.start_next()
