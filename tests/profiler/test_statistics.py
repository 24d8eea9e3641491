import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_search.profiler.statistics import choose_clock, is_busy, median_interval, without_drift, worst_interval_share


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(6, 200))
def test_interval_holds_the_median_and_shrinks_to_it(seed: int, n: int) -> None:
    samples = np.random.default_rng(seed).normal(10, 1, n)
    median = median_interval(samples)
    assert samples.min() <= median.low <= median.value <= median.high <= samples.max()
    assert median.value == np.median(samples)


def test_interval_covers_the_true_median_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    intervals = [median_interval(rng.exponential(1.0, 25)) for _ in range(2000)]
    covered = np.mean([interval.low <= np.log(2) <= interval.high for interval in intervals])
    assert 0.94 <= covered <= 0.985


def test_few_samples_give_their_range() -> None:
    assert median_interval(np.array([3.0, 1.0, 2.0])) == (2.0, 1.0, 3.0)


def test_worst_interval_is_the_widest_row() -> None:
    samples = np.vstack([np.full(20, 5.0), np.linspace(9, 11, 20)])
    median = median_interval(samples[1])
    assert worst_interval_share(samples) == (median.high - median.low) / 2 / median.value


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_drift_is_divided_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tasks, rounds = 40, 30
    truth = rng.uniform(1, 10, tasks)
    order = np.array([rng.permutation(tasks) for _ in range(rounds)])
    when = np.empty((tasks, rounds))
    for r, row in enumerate(order):
        when[row, r] = r * tasks + np.arange(tasks)
    speed = 1 + 0.5 * (np.sin(when / 150) > 0.8)
    noise = rng.normal(1, 0.02, (tasks, rounds))
    steady = without_drift(truth[:, None] * speed * noise, order)
    found = np.median(steady, axis=1)
    assert np.max(np.abs(found / truth / np.median(found / truth) - 1)) < 0.02
    spread = np.std(steady / found[:, None], axis=1)
    assert np.median(spread) < 0.04


def test_one_task_alone_is_left_as_it_is() -> None:
    samples = np.random.default_rng(0).uniform(1, 2, (1, 40))
    assert np.array_equal(without_drift(samples, np.zeros((40, 1), dtype=np.int64)), samples)


@pytest.mark.parametrize("tasks", [2, 3, 20])
def test_without_a_drift_intervals_stay_honest(tasks: int) -> None:
    """A sample that helped to find the drift that it is divided by would leave intervals that hold 83 % only."""
    rng, rounds = np.random.default_rng(0), 100
    held = []
    for _ in range(600 // tasks):
        order = np.array([rng.permutation(tasks) for _ in range(rounds)])
        steady = without_drift(rng.normal(1, 0.02, (tasks, rounds)), order)
        held += [median.low <= 1 <= median.high for median in map(median_interval, steady)]
    assert np.mean(held) >= 0.93


def test_busy_is_wall_over_cpu() -> None:
    cpu = np.full((3, 4), 2.0)
    assert not is_busy(1.19 * cpu, cpu)
    assert is_busy(1.21 * cpu, cpu)
    assert choose_clock(1.19 * cpu, cpu) == "wall"
    assert choose_clock(1.21 * cpu, cpu) == "device"


@pytest.mark.parametrize("n", [1, 2, 3, 9, 100])
def test_busy_all_the_time_is_busy_in_any_number_of_samples(n: int) -> None:
    cpu = np.full((1, n), 2.0)
    assert is_busy(1.21 * cpu, cpu)
    assert not is_busy(1.19 * cpu, cpu)


@pytest.mark.parametrize("jump", [1e9, -1e9])
def test_a_suspended_machine_was_not_busy(jump: float) -> None:
    cpu = np.full((1, 9), 2.0)
    wall = cpu.copy()
    wall[0, 4] += jump
    assert not is_busy(wall, cpu)
    assert is_busy(1.5 * wall, cpu)


def test_waiting_in_a_third_of_the_samples_is_busy() -> None:
    cpu = np.full((3, 10), 2.0)
    wall = cpu.copy()
    wall[0] *= 3
    assert is_busy(wall, cpu)
