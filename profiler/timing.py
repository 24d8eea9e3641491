"""Timing callables fairly: interleaved, on two clocks, until the medians are known well enough.

Knows nothing of networks. Timings that are compared are taken in turns (a round times every task once), so that
a disturbance of the machine hits all of them alike.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from nas_search.profiler.statistics import ClockName, without_drift, worst_interval_share

Progress = Callable[[int, int], None]

# A sample this long is a hundred times the cost of reading both clocks, and mostly shorter than a time slice.
SAMPLE_MS = 2.0
# Between two of its samples other tasks evict a short task's weights; a run of the real thing finds them cached.
REWARM_BELOW_MS = 10.0
LONG_RUN_MS = 200.0
MAX_RUNS_PER_SAMPLE = 64
CHECK_EVERY = 4


class Reading(NamedTuple):
    """Both clocks at one moment, in nanoseconds."""

    wall_ns: int
    cpu_ns: int


class Clock(Protocol):
    """What reads both clocks."""

    def read(self) -> Reading:
        """Wall time and the CPU time of what is timed."""
        ...


class HostClock:
    """The processor's monotonic clock and the CPU time of the calling thread."""

    def read(self) -> Reading:
        """Read both; the calling thread must be the one that computes."""
        return Reading(time.perf_counter_ns(), time.thread_time_ns())


@dataclass(frozen=True, slots=True)
class Task:
    """Something to time: ``run`` does it once; ``reset`` (not timed) brings back the state before a sample."""

    run: Callable[[], object]
    reset: Callable[[], object] = lambda: None


@dataclass(frozen=True, slots=True)
class StopRule:
    """Stop when every median's 95 % interval is within ``interval`` of it, or at a cap, whichever comes first.

    ``max_seconds`` is CPU time: on a busy machine the same work takes longer.
    """

    interval: float = 0.01
    min_rounds: int = 9
    max_rounds: int = 400
    max_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Samples:
    """What was seen: milliseconds of one run, [tasks, rounds], on each clock.

    ``order`` [rounds, tasks] names the tasks of every round in the order in which they were timed.
    """

    wall_ms: NDArray[np.float64]
    cpu_ms: NDArray[np.float64]
    order: NDArray[np.int64]

    def on(self, clock: ClockName) -> NDArray[np.float64]:
        """The samples on one clock."""
        return self.wall_ms if clock == "wall" else self.cpu_ms

    def steady_ms(self, clock: ClockName) -> NDArray[np.float64]:
        """The samples on one clock without the machine's changing speed."""
        return without_drift(self.on(clock), self.order)

    @property
    def rounds(self) -> int:
        """How often each task was timed."""
        return int(self.wall_ms.shape[1])


def time_interleaved(
    tasks: Sequence[Task], stop: StopRule, *, seed: int, clock: Clock | None = None, progress: Progress | None = None
) -> Samples:
    """Time ``tasks`` in turns until ``stop``. The garbage collector rests meanwhile.

    Each task is warmed up first, and run as often per sample as fills SAMPLE_MS. Every round has its own random
    order (``seed``), so that nobody always follows the same neighbour or meets the same periodic disturbance.
    ``progress`` is called with (done, total) after every round; at the end both are equal.
    """
    clock = clock or HostClock()
    recorder = _Recorder(len(tasks), np.random.default_rng(seed))
    started = clock.read().cpu_ns
    with garbage_collector_off():
        plans = [_plan(task, clock) for task in tasks]
        while True:
            recorder.round(plans, clock)
            share = recorder.share_done(stop, (clock.read().cpu_ns - started) / 1e9)
            if progress is not None:
                progress(round(share * stop.max_rounds), stop.max_rounds)
            if share >= 1:
                return Samples(np.array(recorder.wall_ms).T, np.array(recorder.cpu_ms).T, np.array(recorder.order))


@contextmanager
def garbage_collector_off() -> Iterator[None]:
    """Collect now and not again until the end, so that no sample pays for a collection."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _Plan(NamedTuple):
    task: Task
    repeats: int
    rewarm: bool


def _plan(task: Task, clock: Clock) -> _Plan:
    """Warm up; the fastest of three runs (of one, if that takes long) says how many runs fill a sample."""
    task.reset()
    fastest_ms = _run_ms(task, clock)
    if fastest_ms < LONG_RUN_MS:
        fastest_ms = min(fastest_ms, _run_ms(task, clock), _run_ms(task, clock))
    rewarm = fastest_ms < REWARM_BELOW_MS
    repeats = round(SAMPLE_MS / max(fastest_ms, 1e-6))
    return _Plan(task, min(max(1, repeats), MAX_RUNS_PER_SAMPLE - rewarm), rewarm)


def _run_ms(task: Task, clock: Clock) -> float:
    before = clock.read().wall_ns
    task.run()
    return (clock.read().wall_ns - before) / 1e6


def _sample(plan: _Plan, clock: Clock) -> tuple[float, float]:
    """Milliseconds of one run on both clocks."""
    plan.task.reset()
    if plan.rewarm:
        plan.task.run()
    before = clock.read()
    for _ in range(plan.repeats):
        plan.task.run()
    after = clock.read()
    per_run = 1e6 * plan.repeats
    return (after.wall_ns - before.wall_ns) / per_run, (after.cpu_ns - before.cpu_ns) / per_run


class _Recorder:
    """Samples so far: a row of all tasks for each round."""

    def __init__(self, tasks: int, rng: np.random.Generator) -> None:
        self.tasks, self.rng = tasks, rng
        self.wall_ms: list[NDArray[np.float64]] = []
        self.cpu_ms: list[NDArray[np.float64]] = []
        self.order: list[NDArray[np.int64]] = []

    def round(self, plans: Sequence[_Plan], clock: Clock) -> None:
        wall_ms, cpu_ms = np.empty(self.tasks), np.empty(self.tasks)
        order = self.rng.permutation(self.tasks)
        for i in order:
            wall_ms[i], cpu_ms[i] = _sample(plans[i], clock)
        self.order.append(order)
        self.wall_ms.append(wall_ms)
        self.cpu_ms.append(cpu_ms)

    def share_done(self, stop: StopRule, seconds: float) -> float:
        """How near the nearest cap is; 1 at a cap or when the medians are known well enough."""
        rounds = len(self.cpu_ms)
        # The interval is looked at only now and then: it costs more than a short round.
        if rounds >= stop.min_rounds and rounds % CHECK_EVERY == 0:
            steady = without_drift(np.array(self.cpu_ms).T, np.array(self.order))
            if worst_interval_share(steady) <= stop.interval:
                return 1.0
        return min(1.0, max(rounds / stop.max_rounds, seconds / stop.max_seconds))
