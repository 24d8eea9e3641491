"""What is reported from a disturbed machine: what a quiet one would give, or nothing.

Levels hold wherever the machine runs at its usual speed for most of the time. Under a drift of its speed there is no
such level: the reported ones lie within the range of the drift, and ratios between tasks hold.
"""

import numpy as np
import pytest
from disturbed import ROUNDS, TOLERANCE, Machine, Slowdown
from hypothesis import given, settings
from hypothesis import strategies as st
from meter_fakes import FakeMeter

from nas_search.profiler.backend import Verdict
from nas_search.profiler.cpu_backend import CpuBackend
from nas_search.profiler.device import resolve_device
from nas_search.profiler.statistics import median_interval, worst_interval_share
from nas_search.profiler.timing import Elapsed, StopRule, measure_interleaved

SEEDS = st.integers(0, 2**32 - 1)
# Longer than a sample, which then is one run: several would put a spike into almost every sample. Longer, too, than
# what is run once more before a sample.
COSTS = st.lists(st.floats(15.0, 50.0), min_size=1, max_size=8)
COMPARED = st.lists(st.floats(15.0, 50.0), min_size=2, max_size=8)
AMPLITUDES = st.floats(-0.3, 0.3)


pytestmark = pytest.mark.usefixtures("no_collections")


def linear(amplitude: float) -> Slowdown:
    return lambda done: 1 + amplitude * (2 * done - 1)


def wave(amplitude: float, periods: float, phase: float) -> Slowdown:
    return lambda done: 1 + amplitude * np.sin(2 * np.pi * (periods * done + phase))


DRIFTS = st.one_of(
    st.builds(linear, AMPLITUDES), st.builds(wave, AMPLITUDES, st.floats(0.25, 1.5), st.floats(0.0, 1.0))
)


@st.composite
def visits(draw: st.DrawFn) -> Slowdown:
    """Another process comes one to four times and slows everything down, for at most 40 % of the session."""
    times = draw(st.integers(1, 4))
    each, factor = draw(st.floats(0.02, 0.4)) / times, draw(st.floats(1.1, 4.0))
    gaps = np.cumsum([draw(st.floats(0.0, 0.6)) / times for _ in range(times)])
    comes = [gap + i * each for i, gap in enumerate(gaps)]
    return lambda done: factor if any(start <= done < start + each for start in comes) else 1.0


def assert_ratios_hold(slowness: np.ndarray) -> None:
    assert np.max(slowness) / np.min(slowness) - 1 < 2 * TOLERANCE
    assert np.max(np.abs(slowness / np.median(slowness) - 1)) < TOLERANCE


@settings(max_examples=150)
@given(SEEDS, COSTS, st.floats(0.0, 0.3))
def test_spikes_move_nothing(seed: int, costs: list[float], share: float) -> None:
    slowness = Machine(costs, seed, spikes=share).slowness()
    assert np.max(np.abs(slowness - 1)) < TOLERANCE


@settings(max_examples=150)
@given(SEEDS, COSTS, visits())
def test_a_process_that_comes_and_goes_moves_nothing(seed: int, costs: list[float], slowdown: Slowdown) -> None:
    slowness = Machine(costs, seed, slowdown).slowness()
    assert np.max(np.abs(slowness - 1)) < TOLERANCE


@settings(max_examples=150)
@given(SEEDS, COMPARED, DRIFTS)
def test_drift_moves_no_ratio(seed: int, costs: list[float], slowdown: Slowdown) -> None:
    slowness = Machine(costs, seed, slowdown).slowness()
    assert_ratios_hold(slowness)
    range_of_drift = [slowdown(done) for done in np.linspace(0, 1, 200)]
    assert min(range_of_drift) - TOLERANCE < np.median(slowness) < max(range_of_drift) + TOLERANCE


@settings(max_examples=150)
@given(SEEDS, COMPARED, DRIFTS)
def test_drift_widens_no_interval(seed: int, costs: list[float], slowdown: Slowdown) -> None:
    """It would keep a measurement from ending before its cap."""
    assert worst_interval_share(Machine(costs, seed, slowdown).measure().steady("device")) < 0.5 * TOLERANCE


@settings(max_examples=150)
@given(SEEDS, COMPARED, DRIFTS, st.floats(0.0, 0.2))
def test_drift_and_spikes_move_no_ratio(seed: int, costs: list[float], slowdown: Slowdown, share: float) -> None:
    assert_ratios_hold(Machine(costs, seed, slowdown, spikes=share).slowness())


@settings(max_examples=150)
@given(SEEDS, COMPARED, visits(), st.floats(0.0, 0.2))
def test_visits_and_spikes_move_no_ratio(seed: int, costs: list[float], slowdown: Slowdown, share: float) -> None:
    assert_ratios_hold(Machine(costs, seed, slowdown, spikes=share).slowness())


@settings(max_examples=150)
@given(SEEDS, COMPARED, st.floats(0.05, 0.95), st.floats(1.1, 4.0))
def test_a_change_of_speed_for_good_moves_no_ratio(seed: int, costs: list[float], when: float, factor: float) -> None:
    """As a governor or a neighbour that stays."""
    assert_ratios_hold(Machine(costs, seed, lambda done: factor if done > when else 1.0).slowness())


class JumpingMeter(FakeMeter):
    """The wall clock jumps while one sample is measured: a suspended machine, or a clock that was set."""

    def __init__(self, sample: int, jump_ms: float) -> None:
        super().__init__()
        self.left, self.jump_ms = sample, jump_ms

    def stop(self) -> Elapsed:
        self.left -= 1
        wall, device = super().stop()
        return Elapsed(wall + self.jump_ms * (self.left == 0), device)


@settings(max_examples=150)
@given(SEEDS, COSTS, st.integers(1, ROUNDS), st.one_of(st.floats(-1e12, -1e3), st.floats(1e3, 1e12)))
def test_a_jump_of_the_wall_clock_is_a_spike(seed: int, costs: list[float], sample: int, jump_ms: float) -> None:
    samples = Machine(costs, seed, meter=JumpingMeter(sample, jump_ms)).measure()
    assert np.max(np.abs(samples.wall)) > 900
    assert CpuBackend(resolve_device("cpu")).verdict(samples) == Verdict("wall", busy=False)
    found = np.median(samples.steady("wall"), axis=1)
    assert np.max(np.abs(found / np.array(costs) - 1)) < TOLERANCE


@settings(max_examples=150)
@given(SEEDS, COSTS, st.floats(1.3, 20.0))
def test_on_a_busy_processor_its_own_time_counts(seed: int, costs: list[float], busy: float) -> None:
    samples = Machine(costs, seed, busy=busy).measure()
    assert CpuBackend(resolve_device("cpu")).verdict(samples) == Verdict("device", busy=True)
    found = np.median(samples.steady("device"), axis=1)
    assert np.max(np.abs(found / np.array(costs) - 1)) < TOLERANCE


@pytest.mark.parametrize("slowdown", [linear(0.3), wave(0.3, 1.0, 0.2)])
@pytest.mark.parametrize("tasks", [2, 5, 20])
def test_intervals_hold_the_ratios_as_often_as_they_say(slowdown: Slowdown, tasks: int) -> None:
    """Of each task's figure to the machine's level, which is that of all tasks together."""
    held = []
    for seed in range(120 // tasks):
        steady = Machine(np.linspace(15, 50, tasks), seed, slowdown).measure().steady("device")
        relative = [row / cost for row, cost in zip(steady, np.linspace(15, 50, tasks), strict=True)]
        level = float(np.median(relative))
        held += [found.low <= level <= found.high for found in map(median_interval, relative)]
    assert np.mean(held) > 0.9


@pytest.mark.parametrize("tasks", [1, 5])
def test_stopping_at_a_narrow_interval_leaves_it_honest(tasks: int) -> None:
    held = []
    for seed in range(200 // tasks):
        meter, rng = FakeMeter(), np.random.default_rng(seed)
        noisy = [meter.task(lambda rng=rng: 20 * rng.lognormal(0, 0.03)) for _ in range(tasks)]  # type: ignore[misc]
        samples = measure_interleaved(noisy, StopRule(max_seconds=1e9), seed=seed, meter=meter)
        held += [found.low <= 20 <= found.high for found in map(median_interval, samples.steady("device"))]
    assert np.mean(held) >= 0.92
