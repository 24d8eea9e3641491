"""What a search needs of whatever runs its jobs: worker processes here, a cluster elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from nas_search.search.jobs import Job, JobFailure


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

    def close(self) -> None:
        """Stop every worker at once, whatever it does."""


ExecutorFactory = Callable[[Path, int], Executor]
"""Makes an executor for a run directory and a number of workers."""
