"""A worker on a Ray cluster: an actor that watches over one worker process, as a local run has them.

The process is what can run out of memory or hang; the actor lives on, says what happened, and starts another. This
module is imported on the workers and never imports Ray by itself.
"""

from __future__ import annotations

import select
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nas_search.search.executors.base import WORKER_LOG, JobEvent, JobFinished, JobProgress
from nas_search.search.executors.cluster.shipping import Files, Marks, changed_files, marks, unpack
from nas_search.search.executors.cluster.workplace import JobFolder, find_corpus, host_id, keep_corpus, receiving
from nas_search.search.executors.process import Died, WorkerProcess
from nas_search.search.jobs import Job

# A call that listens answers after so long, though nothing happened: an actor does one thing at a time.
LISTEN_SECONDS = 5.0
# Progress is collected for so long before it travels.
GATHER_SECONDS = 0.5


class Report(NamedTuple):
    """What happened at a job: ``death`` is how its process died, ``log`` what it wrote meanwhile.

    ``files`` are those that a job left which is done; ``busy_seconds`` is the time at the job so far.
    """

    events: list[JobEvent]
    death: str | None
    log: str
    files: Files
    busy_seconds: float


class RayWorker:
    """Does one job at a time; see :class:`~nas_search.search.executors.cluster.executor.RayExecutor`."""

    def __init__(self, stall_seconds: float) -> None:
        self._stall_seconds = stall_seconds
        self._folder = JobFolder()
        self._process: WorkerProcess | None = None
        self._busy_before = 0.0
        self._log_read = 0
        self._sent: Marks = {}

    def introduce(self) -> tuple[str, str]:
        """The host, and the Ray node, that it is on."""
        import ray

        return host_id(), ray.get_runtime_context().get_node_id()

    def find_corpus(self, path: str, corpus_hash: str) -> str | None:
        """Where the driver's corpus is on this machine."""
        found = find_corpus(path, corpus_hash)
        return None if found is None else str(found)

    def receive_corpus(self, corpus_hash: str, stored: Mapping[str, Any]) -> str:
        """Keep a corpus whose files are ``stored`` in Ray; another worker may have done so meanwhile."""
        import ray

        with receiving(corpus_hash) as folder:
            if find_corpus(str(folder), corpus_hash) is None:
                keep_corpus(folder, ({name: ray.get(reference)} for name, reference in stored.items()))
        return str(folder)

    def begin(self, job: Job, function: str, files: Files) -> None:
        """Start a job that goes on from ``files``."""
        self._folder.empty()
        unpack(self._folder.path, files)
        self._sent = marks(self._folder.path)
        if self._process is None:
            self._process = WorkerProcess(self._folder.path, self._stall_seconds)
        self._busy_before = self._process.busy_seconds
        self._process.start(job, function)

    def listen(self) -> Report:
        """What happened since the last call, waiting for something a few seconds."""
        process = self._process
        assert process is not None
        patience = min(LISTEN_SECONDS, self._stall_seconds)
        until, events, death = time.monotonic() + patience, list[JobEvent](), None
        while death is None and not _ended(events) and (left := until - time.monotonic()) > 0:
            if select.select([process.output], [], [], left)[0]:
                news = process.read()
                death = news if isinstance(news, Died) else None
                events += [] if isinstance(news, Died) else news
                until = min(until, time.monotonic() + GATHER_SECONDS)
        if death is None:
            death = process.kill_if_stalled()
        if death is not None:
            self._process = None
        seconds = process.busy_seconds + process.at_job_seconds - self._busy_before
        done = _ended(events) and events[-1] == JobFinished(events[-1].name, None)
        files = changed_files(self._folder.path, self._sent) if done else {}
        return Report(_latest(events), None if death is None else death.cause, self._new_log(), files, seconds)

    def stop(self) -> None:
        """End the process and leave nothing behind."""
        if self._process is not None:
            self._process.kill()
        self._folder.remove()

    def _new_log(self) -> str:
        path: Path = self._folder.path / WORKER_LOG
        with path.open("rb") as log:
            log.seek(self._log_read)
            text = log.read()
        self._log_read += len(text)
        return text.decode(errors="replace")


def _ended(events: Sequence[JobEvent]) -> bool:
    return bool(events) and isinstance(events[-1], JobFinished)


def _latest(events: list[JobEvent]) -> list[JobEvent]:
    """Without progress that more progress overtook."""
    progress = [event for event in events if isinstance(event, JobProgress)]
    return [*progress[-1:], *(event for event in events if isinstance(event, JobFinished))]
