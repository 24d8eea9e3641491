import gc
from collections.abc import Callable

import numpy as np
import pytest
from meter_fakes import FakeMeter

from nas_search.errors import RunError
from nas_search.profiler.statistics import median_interval
from nas_search.profiler.timing import MAX_RUNS_PER_SAMPLE, HostMeter, StopRule, Task, measure_interleaved


def counted(meter: FakeMeter, ms: float, max_runs: int = MAX_RUNS_PER_SAMPLE) -> tuple[Task, list[int]]:
    """A task, and the number of runs since its last reset as the length of a list."""
    runs: list[int] = []

    def run() -> None:
        runs.append(1)
        meter.pass_ms(ms)

    return Task(run, runs.clear, max_runs), runs


def telling(seen: list[object], fact: Callable[[], object], meter: FakeMeter, ms: float) -> Task:
    def run() -> None:
        seen.append(fact())
        meter.pass_ms(ms)

    return Task(run)


def test_stops_when_medians_are_known(meter: FakeMeter) -> None:
    rng = np.random.default_rng(0)
    tasks = [meter.task(lambda: rng.normal(5, 0.2)) for _ in range(3)]
    samples = measure_interleaved(tasks, StopRule(0.01, 9, 10_000, 1e9), seed=0, meter=meter)
    assert 9 <= samples.rounds < 2000
    for row in samples.steady("device"):
        found = median_interval(row)
        assert (found.high - found.low) / 2 <= 0.01 * found.value


def test_exact_figures_need_the_least_rounds(meter: FakeMeter) -> None:
    samples = measure_interleaved([meter.task(lambda: 5.0)], StopRule(0.01, 9, 500, 1e9), seed=0, meter=meter)
    assert samples.rounds == 12


def test_stops_at_the_cap_of_rounds_and_of_seconds(meter: FakeMeter) -> None:
    rng = np.random.default_rng(0)
    wild = meter.task(lambda: rng.exponential(100.0), busy=3.0)
    assert measure_interleaved([wild], StopRule(0.001, 2, 7, 1e9), seed=0, meter=meter).rounds == 7
    before = meter.seconds()
    measure_interleaved([wild], StopRule(0.001, 2, 10**6, 5.0), seed=0, meter=meter)
    assert 5 <= meter.seconds() - before <= 7


@pytest.mark.parametrize(
    ("ms", "max_runs", "runs"),
    [
        # A long one alone; a short one four times to warm up, then as often as a sample takes; each within its limit.
        (50.0, 64, 1),
        (5.0, 64, 5),
        (5.0, 3, 3),
        (0.1, 64, 24),
        (1e-5, 64, 64),
        (1e-3, 1 << 30, 2004),
    ],
)
def test_runs_of_a_sample(meter: FakeMeter, ms: float, max_runs: int, runs: int) -> None:
    task, since_reset = counted(meter, ms, max_runs)
    samples = measure_interleaved([task], StopRule(0.01, 1, 1, 1e9), seed=0, meter=meter)
    assert len(since_reset) == runs
    assert samples.device[0, 0] == pytest.approx(ms, rel=1e-3)


def test_a_meter_says_how_long_a_sample_is() -> None:
    """One of energy reads a counter that moves a few times a second."""
    meter = FakeMeter(sample_ms=1000.0)
    task, runs = counted(meter, 50.0)
    measure_interleaved([task], StopRule(0.01, 1, 1, 1e9), seed=0, meter=meter)
    assert len(runs) == 20


def test_a_long_task_is_warmed_up_once(meter: FakeMeter) -> None:
    runs: list[object] = []
    measure_interleaved([telling(runs, lambda: 1, meter, 500.0)], StopRule(0.01, 1, 2, 1e9), seed=0, meter=meter)
    assert len(runs) == 1 + 2


def test_every_round_times_every_task_once_in_its_own_order(meter: FakeMeter) -> None:
    seen: list[object] = []
    tasks = [telling(seen, lambda i=i: i, meter, 20.0) for i in range(6)]  # type: ignore[misc]
    samples = measure_interleaved(tasks, StopRule(-1.0, 1, 10, 1e9), seed=3, meter=meter)
    rounds = np.array(seen[3 * len(tasks) :]).reshape(10, 6)
    assert np.array_equal(rounds, samples.order)
    assert np.array_equal(np.sort(rounds, axis=1), np.tile(np.arange(6), (10, 1)))
    assert len({tuple(order) for order in rounds}) > 5


def test_samples_are_on_both_clocks(meter: FakeMeter) -> None:
    rule = StopRule(0.01, 3, 3, 1e9)
    samples = measure_interleaved([meter.task(lambda: 5.0, busy=1.5)], rule, seed=0, meter=meter)
    assert np.allclose(samples.on("wall"), 7.5)
    assert np.allclose(samples.on("device"), 5.0)


def test_progress_rises_to_its_total(meter: FakeMeter) -> None:
    told: list[tuple[int, int]] = []
    rule = StopRule(0.01, 9, 100, 1e9)
    measure_interleaved([meter.task(lambda: 5.0)], rule, seed=0, meter=meter, progress=lambda *now: told.append(now))
    assert told == sorted(told)
    assert told[-1] == (100, 100)
    assert len(told) == 12


def test_the_device_is_looked_at_before_the_first_round_and_after_each(meter: FakeMeter) -> None:
    looked: list[float] = []
    rule = StopRule(0.01, 3, 3, 1e9)
    tasks = [meter.task(lambda: 20.0)] * 2
    measure_interleaved(tasks, rule, seed=0, meter=meter, between_rounds=lambda: looked.append(meter.now.device))
    assert np.allclose(np.diff(looked), [40.0] * 3)


def test_what_looking_at_the_device_raises_ends_the_measurement(meter: FakeMeter) -> None:
    def refuse() -> None:
        raise RunError("too hot")

    with pytest.raises(RunError, match="too hot"):
        measure_interleaved([meter.task(lambda: 5.0)], StopRule(), seed=0, meter=meter, between_rounds=refuse)
    assert gc.isenabled()


def test_garbage_collector_rests_and_comes_back(meter: FakeMeter) -> None:
    states: list[object] = []
    measure_interleaved([telling(states, gc.isenabled, meter, 5.0)], StopRule(0.01, 1, 1, 1e9), seed=0, meter=meter)
    assert states
    assert not any(states)
    assert gc.isenabled()


def test_host_meter_reads_wall_and_cpu_time() -> None:
    meter, before = HostMeter(), HostMeter().seconds()
    meter.start()
    sum(range(1_000_000))
    worked = meter.stop()
    assert worked.device > 0
    assert worked.wall > 0
    assert meter.seconds() - before >= worked.device / 1e3
