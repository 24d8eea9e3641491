import pytest
from cuda_fakes import H100, FakeDriver, fake_backend
from hypothesis import given
from hypothesis import strategies as st
from meter_fakes import FakeMeter

from nas_search.errors import InputError
from nas_search.profiler.cuda.meters import EnergyMeter, EventMeter
from nas_search.profiler.timing import REWARM_RUNS, Elapsed, StopRule, Task, measure_interleaved


class Timeline:
    """A device and a host that queues work for it: the device's events are told when its work is done."""

    def __init__(self) -> None:
        self.host_ms = self.device_ms = 0.0

    def queue(self, launch_ms: float, work_ms: float) -> None:
        self.host_ms += launch_ms
        self.device_ms = max(self.device_ms, self.host_ms) + work_ms

    def wait(self) -> None:
        self.host_ms = max(self.host_ms, self.device_ms)


class TimelineDriver(FakeDriver):
    """Launching takes time, and the device works behind the host."""

    HEAD_START_MS = 1.0

    def __init__(self) -> None:
        self.timeline = Timeline()
        super().__init__(clock=lambda: self.timeline.host_ms / 1e3)

    def event(self, index: int) -> "TimelineEvent":
        return TimelineEvent(self.timeline)

    def head_start(self, index: int) -> None:
        self.timeline.queue(0.005, self.HEAD_START_MS)

    def synchronize(self, index: int) -> None:
        self.timeline.wait()


class TimelineEvent:
    def __init__(self, timeline: Timeline) -> None:
        self.timeline, self.at_ms = timeline, 0.0

    def record(self) -> None:
        self.timeline.queue(0.0, 0.0)
        self.at_ms = self.timeline.device_ms

    def synchronize(self) -> None:
        self.timeline.wait()

    def elapsed_time(self, end: "TimelineEvent") -> float:
        return end.at_ms - self.at_ms


def run(driver: TimelineDriver, runs: int, launch_ms: float, work_ms: float) -> Elapsed:
    meter = EventMeter(driver, 0)
    driver.timeline.queue(0.0, 7.0)
    meter.start()
    assert driver.timeline.host_ms >= 7.0
    for _ in range(runs):
        driver.timeline.queue(launch_ms, work_ms)
    return meter.stop()


def test_short_graphs_are_measured_without_their_launches() -> None:
    """Ten launches of 10 us each, for 4 us of work: without a head start the launches would be measured."""
    found = run(TimelineDriver(), 10, launch_ms=0.01, work_ms=0.004)
    assert found.device == pytest.approx(0.04)
    assert found.wall == pytest.approx(0.1)


def test_what_was_asked_before_does_not_count() -> None:
    found = run(TimelineDriver(), 1, launch_ms=0.01, work_ms=3.0)
    assert found == Elapsed(pytest.approx(3.0), pytest.approx(3.0))


@given(st.integers(1, 50), st.floats(0.001, 0.02), st.floats(0.0001, 2.0))
def test_the_device_alone_is_measured_as_long_as_the_host_keeps_ahead(
    runs: int, launch_ms: float, work_ms: float
) -> None:
    found = run(TimelineDriver(), runs, launch_ms, work_ms)
    assert found.wall >= found.device - 1e-9
    if runs * launch_ms < TimelineDriver.HEAD_START_MS or launch_ms < work_ms:
        assert found.device == pytest.approx(runs * work_ms)


def test_planning_waits_for_the_device() -> None:
    driver = TimelineDriver()
    meter, before = EventMeter(driver, 0), driver.seconds()
    driver.timeline.queue(0.01, 20.0)
    assert driver.seconds() - before < 0.001
    assert meter.seconds() - before == pytest.approx(0.02, rel=0.01)


@pytest.mark.parametrize(("kind", "runs"), [(EventMeter, 10), (EnergyMeter, 2000)])
def test_samples_are_as_long_as_a_meter_wants(kind: type[EventMeter | EnergyMeter], runs: int) -> None:
    time, counted = FakeMeter(), []
    task = Task(lambda: (counted.append(1), time.pass_ms(0.5)), max_runs=1 << 30)
    meter = kind(FakeDriver(clock=time.seconds), 0)
    measure_interleaved([task], StopRule(max_rounds=1), seed=0, meter=meter)
    assert len(counted) == 3 + REWARM_RUNS + runs


def test_energy_is_power_times_time() -> None:
    driver, time = FakeDriver(watts=250.0), FakeMeter()
    driver.clock = time.seconds
    meter = fake_backend(driver).energy_meter()
    meter.start()
    time.pass_ms(2000.0)
    assert meter.stop() == Elapsed(pytest.approx(500_000.0), pytest.approx(500_000.0))
    assert meter.seconds() == pytest.approx(2.0)


def test_energy_waits_for_the_device_on_both_sides() -> None:
    driver = TimelineDriver()
    meter = EnergyMeter(driver, 0)
    driver.timeline.queue(0.0, 100.0)
    meter.start()
    driver.timeline.queue(0.0, 1000.0)
    assert meter.stop().device == pytest.approx(300_000.0)


def test_without_a_counter_energy_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match=r"energy: .* no energy counter for cuda:0 \(NVIDIA H100 80GB HBM3\)"):
        EnergyMeter(FakeDriver([H100], watts=None), 0)
