"""One worker process and the job that it is at, seen from its parent."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import IO, NamedTuple

from nas_search.child_process import ask, how_it_ended, start_child, stop_child
from nas_search.search.executors.base import WORKER_LOG, JobEvent, JobFinished, JobProgress
from nas_search.search.jobs import Job, JobFailure

WORKER_MODULE = "nas_search.search.executors.worker"
_READ_BYTES = 1 << 16


class Died(NamedTuple):
    """A worker died, for people: how."""

    cause: str


class WorkerProcess:
    """A process that does one job at a time in ``run_dir``; a job without progress for ``stall_seconds`` hangs."""

    def __init__(self, run_dir: Path, stall_seconds: float) -> None:
        with (run_dir / WORKER_LOG).open("ab") as log:
            self._process = start_child(WORKER_MODULE, str(run_dir), log=log)
        self._stall_seconds = stall_seconds
        self._began = self._heard = 0.0
        self._partial = b""
        self.job: Job | None = None
        self.busy_seconds = 0.0
        """Time spent at jobs that ended."""

    @property
    def output(self) -> IO[bytes]:
        """The pipe that it answers on."""
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def at_job_seconds(self) -> float:
        """How long it has been at its job, 0 if it has none."""
        return 0.0 if self.job is None else time.monotonic() - self._began

    def start(self, job: Job, function: str) -> None:
        """Send a job. A worker that is dead by now is noticed when its output ends."""
        self.job = job
        self._began = self._heard = time.monotonic()
        ask(self._process, {"job": job.model_dump(mode="json"), "function": function})

    def read(self) -> list[JobEvent] | Died:
        """What it says, once its output can be read; that it died when there is no more."""
        data = os.read(self.output.fileno(), _READ_BYTES)
        if not data:
            self._end_job()
            return Died(how_it_ended(self._process))
        *lines, self._partial = (self._partial + data).split(b"\n")
        return [event for line in lines if (event := self._understand(line)) is not None]

    def kill_if_stalled(self) -> Died | None:
        """Kill it if its job hangs; call this after all that it said is read."""
        if self.job is None or time.monotonic() - self._heard <= self._stall_seconds:
            return None
        self.kill()
        return Died(f"no progress for {self._stall_seconds / 60:.3g} min")

    def kill(self) -> None:
        """End it now, whatever it does."""
        stop_child(self._process)
        self._end_job()

    def _understand(self, line: bytes) -> JobEvent | None:
        message = json.loads(line)
        if self.job is None:
            return None
        self._heard = time.monotonic()
        name = self.job.name
        if "finished" not in message:
            return JobProgress(name, message["done"], message["total"])
        self._end_job()
        failure = message["finished"]
        return JobFinished(name, None if failure is None else JobFailure.model_validate(failure))

    def _end_job(self) -> None:
        self.busy_seconds += self.at_job_seconds
        self.job = None
