"""Checking a table on networks measured now, here by formula."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from cuda_fakes import fake_backend
from recording_fakes import CPU, GIB, FakeBackend, Stopwatch, cost, make_plan

from nas_search.errors import InputError, RunError
from nas_search.profiler.checking import check_table
from nas_search.profiler.measurement import Failure, Measurement, Outcome
from nas_search.profiler.record import record_table
from nas_search.profiler.roofline import memory_bytes
from nas_search.profiler.statistics import ClockName
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.timing import StopRule
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture

PLAN = make_plan("decode:64", "throughput:64,batch=8")
DECODE = PLAN.workloads[0]
NETWORKS = PLAN.held_out


@pytest.fixture(scope="module")
def table() -> LatencyTable:
    return record_table(PLAN, CPU, backend=FakeBackend(), measure_one=Stopwatch())


class Formula:
    """Measures by formula, ``slower`` than the table was recorded; what is in ``failing`` fails."""

    def __init__(self, slower: float = 1.0, failing: Sequence[Architecture] = (), clock: ClockName = "wall") -> None:
        self.clock = clock
        self.slower, self.failing, self.calls = slower, failing, list[tuple[list[Architecture], dict[str, Any]]]()
        self.rng = np.random.default_rng(0)

    def __call__(self, architectures: Sequence[Architecture], workload: Workload, **options: Any) -> list[Outcome]:
        self.calls.append((list(architectures), options))
        return [self.outcome(network, workload) for network in architectures]

    def outcome(self, network: Architecture, workload: Workload) -> Outcome:
        if network in self.failing:
            return Failure(reason="out of memory")
        value = self.slower * cost(network, "step", 64, 1) * self.rng.normal(1, 0.001)
        return Measurement(
            device_id=CPU.id, workload=str(workload), unit=workload.unit, precision=workload.precision, kernels=(),
            value=value, low=value, high=value, wall=value, device=value, n=9, clock=self.clock, busy=False, batch=1,
        )  # fmt: skip


def check(table: LatencyTable, formula: Formula, **options: Any) -> Any:
    values = {"seed": 5, "backend": FakeBackend(), "measure_networks": formula, **options}
    return check_table(table, values.pop("workload", DECODE), values.pop("networks", NETWORKS), **values)


def test_each_network_is_measured_twice_on_the_clock_of_the_table(table: LatencyTable) -> None:
    formula, stop = Formula(), StopRule(max_rounds=7)
    found = check(table, formula, stop=stop)
    ((networks, options),) = formula.calls
    assert networks == [*NETWORKS, *NETWORKS]
    assert (options["clock"], options["device"], options["seed"], options["stop"]) == ("wall", CPU, 5, stop)
    assert (found.n, found.clock) == (len(NETWORKS), "wall")
    assert found.mape_calibrated < 0.01
    assert 0 < found.mape_rerun < 0.01
    assert found.reached(0.05)


def test_a_check_on_a_busy_machine_says_its_clock(table: LatencyTable) -> None:
    assert check(table, Formula(clock="device")).clock == "device"


def test_another_level_is_seen(table: LatencyTable) -> None:
    found = check(table, Formula(slower=1.5))
    assert found.level == pytest.approx(1.5, rel=0.01)
    assert not found.within(0.05)


def test_no_more_at_once_than_fits(table: LatencyTable) -> None:
    largest = max(memory_bytes(network, 65, 1, DECODE.precision) for network in NETWORKS)
    formula, told = Formula(), list[tuple[int, int]]()
    free = 5 * largest
    found = check(table, formula, backend=FakeBackend(free=free), progress=lambda *now: told.append(now))
    assert found.n == len(NETWORKS)
    assert len(formula.calls) > 2
    assert [network for networks, _ in formula.calls for network in networks[: len(networks) // 2]] == list(NETWORKS)
    for networks, _ in formula.calls:
        assert sum(memory_bytes(network, 65, 1, DECODE.precision) for network in networks) <= free


def test_networks_that_cannot_run_are_left_out(table: LatencyTable) -> None:
    assert check(table, Formula(failing=NETWORKS[:2])).n == len(NETWORKS) - 2
    with pytest.raises(RunError, match="none of these networks can run decode:64"):
        check(table, Formula(failing=NETWORKS))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"networks": [Architecture.parse("w64 d")]}, "no operator 'd'"),
        ({"workload": Workload.parse("decode:65")}, "outside of what was recorded"),
        ({"workload": Workload.parse("memory:64")}, "'memory:64': memory is computed"),
        ({"backend": fake_backend()}, "latency table: recorded on cpu-.*this is h100-"),
    ],
)
def test_what_cannot_be_checked_is_refused_before_measuring(
    table: LatencyTable, options: dict[str, Any], message: str
) -> None:
    formula = Formula()
    with pytest.raises(InputError, match=message):
        check(table, formula, **options)
    assert not formula.calls


def test_really_measured(table: LatencyTable) -> None:
    """On this machine the formula is wrong; but there are figures, of every network."""
    quick = StopRule(interval=0.5, min_rounds=3, max_rounds=3, max_seconds=20)
    here = FakeBackend(free=GIB)
    for workload in PLAN.workloads:
        found = check_table(table, workload, NETWORKS[:4], seed=0, backend=here, stop=quick)
        assert found.n == 4
        assert found.tau_calibrated is None
