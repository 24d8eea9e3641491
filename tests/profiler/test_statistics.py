import numpy as np
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


def test_no_drift_is_taken_from_few_tasks() -> None:
    samples = np.random.default_rng(0).uniform(1, 2, (4, 10))
    order = np.tile(np.arange(4), (10, 1))
    assert np.array_equal(without_drift(samples, order), samples)


def test_busy_is_wall_over_cpu() -> None:
    cpu = np.full((3, 4), 2.0)
    assert not is_busy(1.19 * cpu, cpu)
    assert is_busy(1.21 * cpu, cpu)
    assert choose_clock(1.19 * cpu, cpu) == "wall"
    assert choose_clock(1.21 * cpu, cpu) == "cpu"
