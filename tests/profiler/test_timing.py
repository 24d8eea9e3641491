import gc

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from profiler_fakes import FakeClock

from nas_search.profiler.measurement import Measurement, measurements_of
from nas_search.profiler.statistics import ClockName
from nas_search.profiler.timing import MAX_RUNS_PER_SAMPLE, HostClock, Samples, StopRule, Task, time_interleaved

LONG = StopRule(interval=0.0, min_rounds=1, max_rounds=101, max_seconds=1e9)


def measure(samples: Samples, clock: ClockName | None = None) -> list[Measurement]:
    return measurements_of(samples, clock=clock, kernels=("fake",), device_id="cpu-0", workload="decode:1")


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0.0, 0.3),
    st.lists(st.floats(0.5, 50.0), min_size=1, max_size=8),
)
def test_spikes_do_not_move_the_median(seed: int, spike_share: float, latencies: list[float]) -> None:
    rng, clock = np.random.default_rng(seed), FakeClock()

    def noisy(ms: float) -> float:
        spike = rng.uniform(2, 30) if rng.random() < spike_share else 1.0
        return ms * spike * rng.uniform(0.998, 1.002)

    # Samples of one run each: several runs would put a spike into almost every sample.
    tasks = [clock.task(lambda ms=ms: noisy(ms)) for ms in np.array(latencies) + 5.0]
    found = measure(time_interleaved(tasks, LONG, seed=0, clock=clock))
    for measurement, ms in zip(found, np.array(latencies) + 5.0, strict=True):
        assert abs(measurement.latency_ms / ms - 1) < 0.01


def test_stops_when_medians_are_known(clock: FakeClock) -> None:
    rng = np.random.default_rng(0)
    tasks = [clock.task(lambda: rng.normal(5, 0.2)) for _ in range(3)]
    samples = time_interleaved(tasks, StopRule(0.01, 9, 10_000, 1e9), seed=0, clock=clock)
    assert 9 <= samples.rounds < 2000
    for found in measure(samples):
        assert (found.high_ms - found.low_ms) / 2 <= 0.01 * found.latency_ms


def test_exact_figures_need_the_least_rounds(clock: FakeClock) -> None:
    samples = time_interleaved([clock.task(lambda: 5.0)], StopRule(0.01, 9, 500, 1e9), seed=0, clock=clock)
    assert samples.rounds == 12


def test_stops_at_the_cap_of_rounds_and_of_cpu_seconds(clock: FakeClock) -> None:
    rng = np.random.default_rng(0)
    wild = clock.task(lambda: rng.exponential(100.0), busy=3.0)
    assert time_interleaved([wild], StopRule(0.001, 2, 7, 1e9), seed=0, clock=clock).rounds == 7
    before = clock.read()
    time_interleaved([wild], StopRule(0.001, 2, 10**6, 5.0), seed=0, clock=clock)
    spent = clock.read().cpu_ns - before.cpu_ns
    assert 5e9 <= spent <= 7e9


def test_short_tasks_are_repeated_within_a_sample_and_tiny_ones_boundedly(clock: FakeClock) -> None:
    runs = []
    for ms in (5.0, 0.1, 1e-5):
        counter: list[int] = []
        task = Task(lambda counter=counter, ms=ms: (counter.append(1), clock.pass_ms(ms)), counter.clear)
        samples = time_interleaved([task], StopRule(0.01, 1, 1, 1e9), seed=0, clock=clock)
        runs.append(len(counter))
        assert np.isclose(samples.cpu_ms[0, 0], ms, rtol=0.01)
    assert runs == [2, 21, MAX_RUNS_PER_SAMPLE]


def test_every_round_times_every_task_once_in_its_own_order(clock: FakeClock) -> None:
    seen: list[int] = []
    tasks = [Task(lambda i=i: (seen.append(i), clock.pass_ms(20.0))) for i in range(6)]
    samples = time_interleaved(tasks, StopRule(-1.0, 1, 10, 1e9), seed=3, clock=clock)
    rounds = np.array(seen[3 * len(tasks) :]).reshape(10, 6)
    assert np.array_equal(rounds, samples.order)
    assert np.array_equal(np.sort(rounds, axis=1), np.tile(np.arange(6), (10, 1)))
    assert len({tuple(order) for order in rounds}) > 5


def test_busy_machine_is_told_and_timed_on_the_cpu_clock(clock: FakeClock) -> None:
    quiet = measure(time_interleaved([clock.task(lambda: 5.0)], LONG, seed=0, clock=clock))[0]
    busy = measure(time_interleaved([clock.task(lambda: 5.0, busy=1.5)], LONG, seed=0, clock=clock))[0]
    assert (quiet.clock, quiet.busy, quiet.latency_ms) == ("wall", False, 5.0)
    assert (busy.clock, busy.busy, busy.latency_ms, busy.wall_ms) == ("cpu", True, 5.0, 7.5)


def test_a_given_clock_wins(clock: FakeClock) -> None:
    samples = time_interleaved([clock.task(lambda: 5.0, busy=1.5)], LONG, seed=0, clock=clock)
    found = measure(samples, "wall")[0]
    assert (found.clock, found.busy, found.latency_ms) == ("wall", True, 7.5)


def test_progress_rises_to_its_total(clock: FakeClock) -> None:
    told: list[tuple[int, int]] = []
    rule = StopRule(0.01, 9, 100, 1e9)
    time_interleaved([clock.task(lambda: 5.0)], rule, seed=0, clock=clock, progress=lambda *now: told.append(now))
    assert told == sorted(told)
    assert told[-1] == (100, 100)
    assert len(told) == 12


def test_garbage_collector_rests_and_comes_back(clock: FakeClock) -> None:
    states: list[bool] = []
    task = Task(lambda: (states.append(gc.isenabled()), clock.pass_ms(5.0)))
    time_interleaved([task], StopRule(0.01, 1, 1, 1e9), seed=0, clock=clock)
    assert not any(states)
    assert gc.isenabled()


def test_host_clock_moves_forward() -> None:
    clock = HostClock()
    before = clock.read()
    sum(range(10_000))
    after = clock.read()
    assert after.wall_ns > before.wall_ns
    assert after.cpu_ns >= before.cpu_ns
