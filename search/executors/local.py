"""Worker processes on this machine, one per core, each with one thread.

A process each, so that a candidate that runs out of memory takes nothing else with it. Workers talk over pipes and
end when the driver's end of the pipe closes, however the driver died.
"""

from __future__ import annotations

import json
import os
import selectors
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from nas_search.child_process import ask, how_it_ended, start_child, stop_child
from nas_search.search.executors.base import JobEvent, JobFinished, JobProgress
from nas_search.search.jobs import FUNCTIONS, Job, JobFailure, JobKind

WORKER_MODULE = "nas_search.search.executors.worker"
WORKER_LOG = "workers.log"
# A worker that dies at a job may have been the victim of something else; one that dies twice was not.
ATTEMPTS = 2
_READ_BYTES = 1 << 16


class LocalExecutor:
    """Runs jobs in ``workers`` processes, which start when there is work for them."""

    def __init__(self, run_dir: Path, workers: int, functions: Mapping[JobKind, str] = FUNCTIONS) -> None:
        self._run_dir = run_dir
        self._functions = functions
        self._slots: list[_Worker | None] = [None] * workers
        self._queue: deque[tuple[Job, int]] = deque()
        self._selector = selectors.DefaultSelector()

    def submit(self, job: Job) -> None:
        """Queue a job; jobs start in the order of submission."""
        self._queue.append((job, ATTEMPTS))
        self._dispatch()

    def wait(self, timeout_seconds: float) -> list[JobEvent]:
        """What happened since the last call, waiting for something at most so long."""
        events: list[JobEvent] = []
        for key, _ in self._selector.select(timeout_seconds):
            worker: _Worker = key.data
            events += self._events_of(worker)
        self._dispatch()
        return events

    def close(self) -> None:
        """Stop every worker at once, whatever it does."""
        self._queue.clear()
        for index, worker in enumerate(self._slots):
            if worker is not None:
                stop_child(worker.process)
                self._slots[index] = None
        self._selector.close()

    def _dispatch(self) -> None:
        """Start queued jobs in order, as far as there are free workers and nobody must be alone."""
        while self._queue:
            busy = [worker for worker in self._slots if worker is not None and worker.job is not None]
            job, attempts = self._queue[0]
            blocked = busy and (job.alone or any(worker.alone for worker in busy))
            if blocked or len(busy) == len(self._slots):
                return
            self._queue.popleft()
            self._free_worker().start(job, attempts, self._functions[job.kind])

    def _free_worker(self) -> _Worker:
        for worker in self._slots:
            if worker is not None and worker.job is None:
                return worker
        index = self._slots.index(None)
        worker = _Worker(self._run_dir)
        self._slots[index] = worker
        self._selector.register(worker.output, selectors.EVENT_READ, worker)
        return worker

    def _events_of(self, worker: _Worker) -> list[JobEvent]:
        lines = worker.read_lines()
        if lines is None:
            return self._bury(worker)
        return [event for line in lines if (event := worker.understand(line)) is not None]

    def _bury(self, worker: _Worker) -> list[JobEvent]:
        """A worker died: its job is tried again, or has failed."""
        self._selector.unregister(worker.output)
        self._slots[self._slots.index(worker)] = None
        job, attempts = worker.job, worker.attempts - 1
        cause = how_it_ended(worker.process)
        if job is None:
            return []
        if attempts > 0:
            self._queue.appendleft((job, attempts))
            return []
        reason = f"the worker died {ATTEMPTS} times ({cause}); see {WORKER_LOG}"
        return [JobFinished(job.name, JobFailure(error="died", reason=reason))]


class _Worker:
    """One worker process and the job that it is at."""

    def __init__(self, run_dir: Path) -> None:
        with (run_dir / WORKER_LOG).open("ab") as log:
            self.process = start_child(WORKER_MODULE, str(run_dir), log=log)
        self.job: Job | None = None
        self.attempts = 0
        self._partial = b""

    @property
    def output(self) -> IO[bytes]:
        """The pipe that it answers on."""
        assert self.process.stdout is not None
        return self.process.stdout

    @property
    def alone(self) -> bool:
        """Whether it is at a job beside which nothing may run."""
        return self.job is not None and self.job.alone

    def start(self, job: Job, attempts: int, function: str) -> None:
        """Send a job. A worker that is dead by now is noticed when its output ends."""
        self.job, self.attempts = job, attempts
        ask(self.process, {"job": job.model_dump(mode="json"), "function": function})

    def read_lines(self) -> list[bytes] | None:
        """Whole lines that have arrived; None if it is dead."""
        data = os.read(self.output.fileno(), _READ_BYTES)
        if not data:
            return None
        *lines, self._partial = (self._partial + data).split(b"\n")
        return lines

    def understand(self, line: bytes) -> JobEvent | None:
        """The event that a line reports."""
        message = json.loads(line)
        if self.job is None:
            return None
        if "finished" not in message:
            return JobProgress(self.job.name, message["done"], message["total"])
        failure = message["finished"]
        name, self.job = self.job.name, None
        return JobFinished(name, None if failure is None else JobFailure.model_validate(failure))
