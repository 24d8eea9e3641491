"""Measuring callables fairly: interleaved, on two clocks, until the medians are known well enough.

Knows nothing of networks. Figures that are compared are taken in turns (a round measures every task once), so that
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

# Between two of its samples other tasks evict a short task's weights; a run of the real thing finds them cached. One
# run does not bring all of them back (experiments/benchmarks/neighbours.py).
REWARM_BELOW_MS, REWARM_RUNS = 10.0, 4
LONG_RUN_MS = 200.0
MAX_RUNS_PER_SAMPLE = 64
CHECK_EVERY = 4


class Elapsed(NamedTuple):
    """What passed between start and stop: milliseconds on the wall and of the device's own work.

    An energy meter gives millijoules twice.
    """

    wall: float
    device: float


class Meter(Protocol):
    """What measures a sample. ``sample_ms`` is how long one should be at least, to be measured well."""

    sample_ms: float

    def start(self) -> None:
        """Begin a sample; what was asked of the device before is done."""

    def stop(self) -> Elapsed:
        """End it, once everything that was asked of the device since is done."""
        ...

    def seconds(self) -> float:
        """A clock for planning and for limits: seconds of work since some moment, once all that was asked is done."""
        ...


class HostMeter:
    """The processor's monotonic clock and the CPU time of the calling thread, which must be the one that computes."""

    # A sample this long is a hundred times the cost of reading both clocks, and mostly shorter than a time slice.
    sample_ms = 2.0

    def __init__(self) -> None:
        self._wall_ns = self._cpu_ns = 0

    def start(self) -> None:
        """Read both clocks."""
        self._wall_ns, self._cpu_ns = time.perf_counter_ns(), time.thread_time_ns()

    def stop(self) -> Elapsed:
        """Milliseconds since."""
        wall_ns, cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
        return Elapsed((wall_ns - self._wall_ns) / 1e6, (cpu_ns - self._cpu_ns) / 1e6)

    def seconds(self) -> float:
        """CPU time: on a busy machine the same work takes longer."""
        return time.thread_time()


@dataclass(frozen=True, slots=True)
class Task:
    """Something to measure: ``run`` does it once; ``reset`` (not measured) brings back the state before a sample.

    ``max_runs`` is how often it can run until it must be reset.
    """

    run: Callable[[], object]
    reset: Callable[[], object] = lambda: None
    max_runs: int = MAX_RUNS_PER_SAMPLE


@dataclass(frozen=True, slots=True)
class StopRule:
    """Stop when every median's 95 % interval is within ``interval`` of it, or at a cap, whichever comes first.

    ``max_seconds`` is on the meter's clock, which on a CPU is CPU time.
    """

    interval: float = 0.01
    min_rounds: int = 9
    max_rounds: int = 400
    max_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Samples:
    """What was seen: figures of one run, [tasks, rounds], on the wall clock and on the device's.

    Milliseconds, or millijoules of an energy meter. ``order`` [rounds, tasks] names the tasks of every round in the
    order in which they were measured.
    """

    wall: NDArray[np.float64]
    device: NDArray[np.float64]
    order: NDArray[np.int64]

    def on(self, clock: ClockName) -> NDArray[np.float64]:
        """The samples on one clock."""
        return self.wall if clock == "wall" else self.device

    def steady(self, clock: ClockName) -> NDArray[np.float64]:
        """The samples on one clock without the machine's changing speed."""
        return without_drift(self.on(clock), self.order)

    @property
    def rounds(self) -> int:
        """How often each task was measured."""
        return int(self.wall.shape[1])


def measure_interleaved(
    tasks: Sequence[Task],
    stop: StopRule,
    *,
    seed: int,
    meter: Meter | None = None,
    between_rounds: Callable[[], object] = lambda: None,
    progress: Progress | None = None,
) -> Samples:
    """Measure ``tasks`` in turns until ``stop``. The garbage collector rests meanwhile.

    Each task is warmed up first, and run as often per sample as the ``meter`` needs (the host's clocks without one).
    Every round has its own random order (``seed``), so that nobody always follows the same neighbour or meets the same
    periodic disturbance. ``between_rounds`` is called before the first round and after each; what it raises ends the
    measurement. ``progress`` is called with (done, total) after every round; at the end both are equal.
    """
    meter = meter or HostMeter()
    recorder = _Recorder(len(tasks), np.random.default_rng(seed))
    started = meter.seconds()
    with garbage_collector_off():
        plans = [_plan(task, meter) for task in tasks]
        between_rounds()
        while True:
            recorder.round(plans, meter)
            between_rounds()
            share = recorder.share_done(stop, meter.seconds() - started)
            if progress is not None:
                progress(round(share * stop.max_rounds), stop.max_rounds)
            if share >= 1:
                return Samples(np.array(recorder.wall).T, np.array(recorder.device).T, np.array(recorder.order))


def step_of(progress: Progress | None, index: int, steps: int) -> Progress | None:
    """Progress of one step as part of all, in hundredths of a step."""
    if progress is None:
        return None
    return lambda done, total: progress(100 * index + 100 * done // max(total, 1), 100 * steps)


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
    rewarm: int


def _plan(task: Task, meter: Meter) -> _Plan:
    """Warm up; the fastest of three runs (of one, if that takes long) says how many runs fill a sample."""
    task.reset()
    fastest_ms = _run_ms(task, meter)
    if fastest_ms < LONG_RUN_MS:
        fastest_ms = min(fastest_ms, _run_ms(task, meter), _run_ms(task, meter))
    rewarm = min(REWARM_RUNS, task.max_runs - 1) if fastest_ms < REWARM_BELOW_MS else 0
    repeats = round(meter.sample_ms / max(fastest_ms, 1e-6))
    return _Plan(task, min(max(1, repeats), task.max_runs - rewarm), rewarm)


def _run_ms(task: Task, meter: Meter) -> float:
    before = meter.seconds()
    task.run()
    return 1e3 * (meter.seconds() - before)


def _sample(plan: _Plan, meter: Meter) -> Elapsed:
    """What one run takes."""
    plan.task.reset()
    for _ in range(plan.rewarm):
        plan.task.run()
    meter.start()
    for _ in range(plan.repeats):
        plan.task.run()
    whole = meter.stop()
    return Elapsed(whole.wall / plan.repeats, whole.device / plan.repeats)


class _Recorder:
    """Samples so far: a row of all tasks for each round."""

    def __init__(self, tasks: int, rng: np.random.Generator) -> None:
        self.tasks, self.rng = tasks, rng
        self.wall: list[NDArray[np.float64]] = []
        self.device: list[NDArray[np.float64]] = []
        self.order: list[NDArray[np.int64]] = []

    def round(self, plans: Sequence[_Plan], meter: Meter) -> None:
        wall, device = np.empty(self.tasks), np.empty(self.tasks)
        order = self.rng.permutation(self.tasks)
        for i in order:
            wall[i], device[i] = _sample(plans[i], meter)
        self.order.append(order)
        self.wall.append(wall)
        self.device.append(device)

    def share_done(self, stop: StopRule, seconds: float) -> float:
        """How near the nearest cap is; 1 at a cap or when the medians are known well enough."""
        rounds = len(self.device)
        # The interval is looked at only now and then: it costs more than a short round.
        if rounds >= stop.min_rounds and rounds % CHECK_EVERY == 0:
            steady = without_drift(np.array(self.device).T, np.array(self.order))
            if worst_interval_share(steady) <= stop.interval:
                return 1.0
        return min(1.0, max(rounds / stop.max_rounds, seconds / stop.max_seconds))
