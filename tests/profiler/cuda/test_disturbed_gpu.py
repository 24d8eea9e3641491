"""Throttling while something is measured: the session is refused, or its figures are what they should be."""

import numpy as np
import pytest
from cuda_fakes import STEADY, FakeDriver, fake_backend
from disturbed import TOLERANCE, Machine
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_search.errors import RunError
from nas_search.profiler.conditions import Conditions
from nas_search.profiler.cuda.throttling import ADVICE, POWER_CAP, POWER_CAP_FALL, UNEXPLAINED_CHANGE

pytestmark = pytest.mark.usefixtures("no_collections")

SEEDS = st.integers(0, 2**32 - 1)
COSTS = st.lists(st.floats(15.0, 50.0), min_size=1, max_size=6)
# When clocks fall, as a share of the session: in time for the last check to see it.
WHEN = st.floats(0.05, 0.9)
HARD = sorted(ADVICE.keys() - {POWER_CAP})


class Gpu:
    """Its clock falls by a share at some moment, for reasons that are told from then on; work takes as much longer."""

    def __init__(self, costs: list[float], seed: int, when: float, fall: float, reasons: tuple[str, ...] = ()) -> None:
        self.when, self.fall, self.reasons = when, fall, reasons
        self.machine = Machine(costs, seed, lambda done: 1 / self.speed(done))
        self.backend = fake_backend(FakeDriver(clock=self.machine.meter.seconds, now=self.now))

    def speed(self, done: float) -> float:
        return 1.0 - self.fall * (done > self.when)

    def now(self) -> Conditions:
        done = self.machine.share_done()
        throttled = self.reasons if done > self.when else ()
        return STEADY.model_copy(update={"sm_mhz": round(1980 * self.speed(done)), "throttled": throttled})

    def slowness(self) -> np.ndarray:
        samples = self.machine.measure(self.backend.meter(), self.backend.check)
        clock, _ = self.backend.verdict(samples)
        return np.median(samples.steady(clock), axis=1) / np.array(self.machine.costs)


@settings(max_examples=100)
@given(SEEDS, COSTS)
def test_a_cool_device_gives_its_figures(seed: int, costs: list[float]) -> None:
    assert np.max(np.abs(Gpu(costs, seed, when=1.0, fall=0.0).slowness() - 1)) < TOLERANCE


@settings(max_examples=100)
@given(SEEDS, COSTS, WHEN, st.floats(0.0, 0.9), st.sampled_from(HARD))
def test_every_slowdown_is_refused(seed: int, costs: list[float], when: float, fall: float, reason: str) -> None:
    with pytest.raises(RunError, match=reason):
        Gpu(costs, seed, when, fall, (reason,)).slowness()


@settings(max_examples=100)
@given(SEEDS, COSTS, WHEN, st.floats(POWER_CAP_FALL + 0.001, 0.9))
def test_a_power_cap_that_takes_clocks_down_is_refused(seed: int, costs: list[float], when: float, fall: float) -> None:
    with pytest.raises(RunError, match=POWER_CAP):
        Gpu(costs, seed, when, fall, (POWER_CAP,)).slowness()


@settings(max_examples=100)
@given(SEEDS, COSTS, WHEN, st.floats(UNEXPLAINED_CHANGE + 0.001, 0.9))
def test_clocks_that_fall_for_no_reason_are_refused(seed: int, costs: list[float], when: float, fall: float) -> None:
    with pytest.raises(RunError, match="clocks changed"):
        Gpu(costs, seed, when, fall).slowness()


@settings(max_examples=100)
@given(SEEDS, COSTS, WHEN, st.floats(0.0, 0.9), st.sampled_from([(), (POWER_CAP,)]))
def test_what_is_not_refused_is_within_what_clocks_may_change(
    seed: int, costs: list[float], when: float, fall: float, reasons: tuple[str, ...]
) -> None:
    """Levels by at most that share; ratios between tasks as always."""
    try:
        slowness = Gpu(costs, seed, when, fall, reasons).slowness()
    except RunError:
        assert fall > (POWER_CAP_FALL if reasons else UNEXPLAINED_CHANGE) - 0.001
        return
    allowed = POWER_CAP_FALL if reasons else UNEXPLAINED_CHANGE
    assert np.max(slowness) < 1 / (1 - allowed) + TOLERANCE
    assert np.min(slowness) > 1 - TOLERANCE
    assert np.max(np.abs(slowness / np.median(slowness) - 1)) < TOLERANCE


@settings(max_examples=100)
@given(SEEDS, COSTS, st.floats(0.0, 0.3))
def test_spikes_between_events_move_nothing(seed: int, costs: list[float], share: float) -> None:
    gpu = Gpu(costs, seed, when=1.0, fall=0.0)
    gpu.machine.spikes = share
    assert np.max(np.abs(gpu.slowness() - 1)) < TOLERANCE
