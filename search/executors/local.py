"""Worker processes on this machine, one per core, each with one thread.

A process each, so that a candidate that runs out of memory takes nothing else with it. Workers talk over pipes and
end when the driver's end of the pipe closes, however the driver died.
"""

from __future__ import annotations

import selectors
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from nas_search.search.executors.base import STALL_SECONDS, Attempt, JobEvent, JobFinished
from nas_search.search.executors.process import Died, WorkerProcess
from nas_search.search.jobs import FUNCTIONS, Job, JobKind


class LocalExecutor:
    """Runs jobs in ``workers`` processes, which start when there is work for them."""

    def __init__(
        self,
        run_dir: Path,
        workers: int,
        functions: Mapping[JobKind, str] = FUNCTIONS,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self._run_dir = run_dir
        self._functions = functions
        self._stall_seconds = stall_seconds
        self._slots: list[_Slot] = [_Slot() for _ in range(workers)]
        self._queue: deque[Attempt] = deque()
        self._selector = selectors.DefaultSelector()
        self._buried_seconds = 0.0

    def submit(self, job: Job) -> None:
        """Queue a job; jobs start in the order of submission."""
        self._queue.append(Attempt(job))
        self._dispatch()

    def wait(self, timeout_seconds: float) -> list[JobEvent]:
        """What happened since the last call, waiting for something at most so long."""
        events: list[JobEvent] = []
        for key, _ in self._selector.select(timeout_seconds):
            slot: _Slot = key.data
            events += self._heard(slot, slot.worker.read() if slot.worker is not None else [])
        for slot in self._slots:
            death = slot.worker.kill_if_stalled() if slot.worker is not None else None
            if death is not None:
                events += self._heard(slot, death)
        self._dispatch()
        return events

    @property
    def busy_seconds(self) -> float:
        """Time that workers spent at jobs so far, all of them together, those that died included."""
        workers = [slot.worker for slot in self._slots if slot.worker is not None]
        return self._buried_seconds + sum(worker.busy_seconds + worker.at_job_seconds for worker in workers)

    def close(self) -> None:
        """Stop every worker at once, whatever it does."""
        self._queue.clear()
        for slot in self._slots:
            if slot.worker is not None:
                slot.worker.kill()
                self._bury(slot, slot.worker)
        self._selector.close()

    def _dispatch(self) -> None:
        """Start queued jobs in order, as far as there are free workers and nobody must be alone."""
        while self._queue:
            attempt = self._queue[0]
            busy = [slot.attempt for slot in self._slots if slot.attempt is not None]
            blocked = busy and (attempt.job.alone or any(other.job.alone for other in busy))
            if blocked or len(busy) == len(self._slots):
                return
            self._queue.popleft()
            free = [slot for slot in self._slots if slot.attempt is None]
            self._start(next((slot for slot in free if slot.worker is not None), free[0]), attempt)

    def _start(self, slot: _Slot, attempt: Attempt) -> None:
        if slot.worker is None:
            slot.worker = WorkerProcess(self._run_dir, self._stall_seconds)
            self._selector.register(slot.worker.output, selectors.EVENT_READ, slot)
        slot.attempt = attempt
        slot.worker.start(attempt.job, self._functions[attempt.job.kind])

    def _heard(self, slot: _Slot, news: list[JobEvent] | Died) -> list[JobEvent]:
        """What a worker's news means to whoever waits: the job of one that died is tried again, or has failed."""
        attempt = slot.attempt
        if isinstance(news, Died):
            assert slot.worker is not None
            self._bury(slot, slot.worker)
            return [] if attempt is None else attempt.after_death(news.cause, self._queue)
        if any(isinstance(event, JobFinished) for event in news):
            slot.attempt = None
        return news

    def _bury(self, slot: _Slot, worker: WorkerProcess) -> None:
        self._selector.unregister(worker.output)
        self._buried_seconds += worker.busy_seconds
        slot.worker = slot.attempt = None


class _Slot:
    """Room for a worker and what it is at."""

    def __init__(self) -> None:
        self.worker: WorkerProcess | None = None
        self.attempt: Attempt | None = None
