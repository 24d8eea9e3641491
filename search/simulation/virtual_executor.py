"""Workers in virtual time: a job takes as long as it is said to, and waiting for it takes nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import NamedTuple

from nas_search.search.executors.base import JobEvent, JobFinished
from nas_search.search.jobs import Job


class VirtualClock:
    """Seconds since the simulation began; they pass only while somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


class _Running(NamedTuple):
    """A job at work; those that end together are in the order of their start."""

    ends: float
    number: int
    job: Job


class VirtualExecutor:
    """As many workers as asked for. A job takes ``seconds(job)``, and ``finish(job)`` is called when it is done."""

    def __init__(
        self,
        workers: int,
        clock: VirtualClock,
        *,
        seconds: Callable[[Job], float],
        finish: Callable[[Job], None],
    ) -> None:
        self._workers, self._clock = workers, clock
        self._seconds, self._finish = seconds, finish
        self._queue: deque[Job] = deque()
        self._running: list[_Running] = []
        self._started = 0
        self._busy_seconds = 0.0

    def submit(self, job: Job) -> None:
        """Queue a job; jobs start in the order of submission."""
        self._queue.append(job)
        self._dispatch()

    def wait(self, timeout_seconds: float) -> list[JobEvent]:
        """The jobs that have ended, or else those that end next, to which moment the clock jumps.

        No real time passes. A job whose end was not waited for, since the driver was at something else, ends in time,
        and its worker is idle until now.
        """
        if not self._running:
            return []
        self._clock.now = max(self._clock.now, self._running[0].ends)
        done: list[Job] = []
        while self._running and self._running[0].ends <= self._clock.now:
            done.append(heappop(self._running).job)
        for job in done:
            self._finish(job)
        self._dispatch()
        return [JobFinished(job.name, None) for job in done]

    @property
    def busy_seconds(self) -> float:
        """Time that workers spent at jobs so far, all of them together."""
        return self._busy_seconds - sum(max(job.ends - self._clock.now, 0.0) for job in self._running)

    def close(self) -> None:
        """Stop every worker at once, whatever it does."""
        self._queue.clear()
        self._running.clear()

    def _dispatch(self) -> None:
        """Start queued jobs in order, as far as there are free workers and nobody must be alone."""
        while self._queue and len(self._running) < self._workers:
            if self._running and (self._queue[0].alone or self._running[0].job.alone):
                return
            job = self._queue.popleft()
            seconds = self._seconds(job)
            heappush(self._running, _Running(self._clock.now + seconds, self._started, job))
            self._busy_seconds += seconds
            self._started += 1
