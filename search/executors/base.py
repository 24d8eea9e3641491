"""What a search needs of whatever runs its jobs: worker processes here, a cluster elsewhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from nas_search.search.jobs import Job, JobFailure

ATTEMPTS = 3
"""A worker that dies at a job may have been the victim of something else; three of them were not."""
STALL_SECONDS = 1800.0
"""A job without any sign of progress for so long hangs: its worker is killed, which is a death like any other."""
WORKER_LOG = "workers.log"


class JobProgress(NamedTuple):
    """A job got on: ``done`` of ``total`` steps."""

    name: str
    done: int
    total: int


class JobFinished(NamedTuple):
    """A job's result is stored, or it failed."""

    name: str
    failure: JobFailure | None


JobEvent = JobProgress | JobFinished


class Executor(Protocol):
    """Runs jobs, as many at a time as it has workers; a job that wants to be alone beside no other."""

    def submit(self, job: Job) -> None:
        """Queue a job; jobs start in the order of submission."""

    def wait(self, timeout_seconds: float) -> list[JobEvent]:
        """What happened since the last call, waiting for something at most so long."""

    @property
    def busy_seconds(self) -> float:
        """Time that workers spent at jobs so far, all of them together, those that died included."""

    def close(self) -> None:
        """Stop every worker at once, whatever it does."""


ExecutorFactory = Callable[[Path, int], Executor]
"""Makes an executor for a run directory and a number of workers."""


class Attempt(NamedTuple):
    """A job on its way, and how many workers died at it."""

    job: Job
    deaths: int = 0

    def after_death(self, cause: str, queue: deque[Attempt]) -> list[JobEvent]:
        """Its worker died: it is the next in ``queue``, or has failed."""
        deaths = self.deaths + 1
        if deaths < ATTEMPTS:
            queue.appendleft(Attempt(self.job, deaths))
            return []
        reason = f"the worker died {deaths} times ({cause}); see {WORKER_LOG}"
        return [JobFinished(self.job.name, JobFailure(error="died", reason=reason))]
