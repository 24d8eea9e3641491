"""Running a handful of jobs to the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nas_search.search.executors.base import Executor, JobProgress
from nas_search.search.jobs import Job, JobFailure

_WAIT_SECONDS = 0.5


def run_jobs(
    executor: Executor,
    jobs: Sequence[Job],
    *,
    progress: Callable[[JobProgress], None] = lambda event: None,
    finished: Callable[[Job], None] = lambda job: None,
) -> dict[str, JobFailure]:
    """Run ``jobs``; returns the failures by job name. Raises InputError and RunError for what concerns the run."""
    pending = {job.name: job for job in jobs}
    failures: dict[str, JobFailure] = {}
    for job in jobs:
        executor.submit(job)
    while pending:
        for event in executor.wait(_WAIT_SECONDS):
            if isinstance(event, JobProgress):
                progress(event)
                continue
            job = pending.pop(event.name)
            if event.failure is not None:
                event.failure.raise_unless_its_own()
                failures[event.name] = event.failure
            finished(job)
    return failures
