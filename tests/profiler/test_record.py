"""Recording with samples by formula: resumed, incomplete, on other devices."""

from bisect import bisect_left
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recording_fakes import CPU, GIB, GPU, OPERATORS, FakeBackend, Stopwatch, cost, make_plan

from nas_search.errors import InputError, RunError
from nas_search.profiler.cells import OVERHEAD
from nas_search.profiler.device import Device
from nas_search.profiler.plan import TablePlan
from nas_search.profiler.record import record_table
from nas_search.profiler.roofline import largest_batch
from nas_search.profiler.sitting import SittingRequest, SittingResult
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.timing import Progress
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture
from nas_search.space.decode_graph import context_bounds

PLAN = make_plan("decode:64", "generate:40,prompt=16", "throughput:64", "memory:64", meta_tokens=3)
SITTINGS = 4


def record(plan: TablePlan = PLAN, stopwatch: Stopwatch | None = None, out: Path | None = None) -> LatencyTable:
    return record_table(plan, CPU, out=out, backend=FakeBackend(), measure_one=stopwatch or Stopwatch())


@pytest.fixture(scope="module")
def table() -> LatencyTable:
    return record()


def random_networks(n: int = 50) -> list[Architecture]:
    rng = np.random.default_rng(3)
    return [
        Architecture(
            width=int(rng.choice([64, 128])),
            operators=tuple(OPERATORS[i] for i in rng.integers(3, size=rng.integers(1, 12))),
            meta_tokens=3,
        )
        for _ in range(n)
    ]


def truth(network: Architecture, workload: Workload, *, captured: bool = False) -> float:
    start = workload.prompt + 3
    if workload.kind == "decode":
        return cost(network, "step", start, workload.batch)
    positions = range(start + 1, start + workload.new_tokens)
    bounds = context_bounds(Architecture.parse("w64 a"), start + workload.new_tokens) if captured else list(positions)
    steps = (cost(network, "step", bounds[bisect_left(bounds, position)] - 1, 1) for position in positions)
    return cost(network, "prefill", start, 1) + sum(steps)


def test_everything_is_recorded(table: LatencyTable) -> None:
    info = table.info
    assert list(info.workloads) == [str(workload) for workload in PLAN.workloads]
    assert set(info.phases) == {
        "prefill:19,batch=1,float32",
        *(f"step:{context},batch=1,float32" for context in (19, 38, 57, 67)),
        *(f"step:67,batch={batch},float32" for batch in (8, 64)),
    }
    assert (info.format, info.space, info.source, info.memory_bytes) == (2, "three", "table", 64 * GIB)
    assert (info.clock, info.busy, info.kernels, info.seconds) == ("wall", False, ("formula",), 1.5 * SITTINGS)
    assert info.versions["numpy"] == np.__version__
    assert len(info.recorded_at) == len("2000-01-01")
    assert not info.failures
    for workload in PLAN.workloads:
        assert table.covers(OPERATORS, (64, 128), workload, vocabulary=256, meta_tokens=3) == []
    assert all(cell.low <= cell.value <= cell.high and cell.n == 5 for cell in table.cells)


def test_checks_compare_with_the_held_out_networks(table: LatencyTable) -> None:
    for workload in PLAN.workloads:
        check = table.check(workload)
        if workload.kind == "memory":
            assert check is None
            continue
        assert check is not None
        assert check.n == len(PLAN.held_out)
        assert check.mape_calibrated < 0.01
        assert 0 < check.mape_rerun < 0.01
        assert check.depth_only_beaten
        assert check.parameters_only_beaten


@pytest.mark.parametrize(
    "text", ["decode:64", "generate:40,prompt=16", "decode:50", "generate:20,prompt=16", "decode:64,batch=30"]
)
def test_predictions_are_what_the_machine_takes(table: LatencyTable, text: str) -> None:
    workload, networks = Workload.parse(text), random_networks()
    expected = [truth(network, workload) for network in networks]
    assert np.allclose(table.predict_many(networks, workload), expected, rtol=0.02)


def test_throughput_is_that_of_the_largest_batch(table: LatencyTable) -> None:
    small = LatencyTable(table.info.model_copy(update={"memory_bytes": 50 * 2**20}), table.cells)
    workload, networks = Workload.parse("throughput:64"), random_networks()
    batches = [largest_batch(network, 64, workload.precision, 50 * 2**20) for network in networks]
    assert max(batches) > 64
    expected = [
        1000 * batch / cost(network, "step", 67, batch) for network, batch in zip(networks, batches, strict=True)
    ]
    assert np.allclose(small.predict_many(networks, workload), expected, rtol=0.03)


def test_a_captured_generation_is_predicted_up_its_stairs() -> None:
    plan = make_plan("generate:1500,prompt=100", meta_tokens=3)
    table = record_table(plan, GPU, backend=FakeBackend(GPU), measure_one=Stopwatch(captured=True))
    workload, networks = plan.workloads[0], random_networks(20)
    assert table.clock == "device"
    expected = [truth(network, workload, captured=True) for network in networks]
    assert np.allclose(table.predict_many(networks, workload), expected, rtol=0.02)


def test_one_disturbed_sitting_makes_all_count_the_device(table: LatencyTable) -> None:
    busy = record(stopwatch=Stopwatch(busy=True))
    assert (busy.clock, busy.info.busy) == ("device", True)
    network, decode = random_networks(1)[0], PLAN.workloads[0]
    assert busy.predict(network, decode) == pytest.approx(table.predict(network, decode), rel=0.02)
    cell = busy.cells[0]
    assert cell.wall == pytest.approx(1.5 * cell.device, rel=0.01)


class InterruptedRecordingError(Exception):
    pass


class Breaking(Stopwatch):
    """Is interrupted when the sitting ``last`` is to be measured."""

    last = 0

    def __call__(self, request: SittingRequest, *, progress: Progress | None = None) -> SittingResult:
        if len(self.requests) == self.last:
            raise InterruptedRecordingError
        return super().__call__(request, progress=progress)


@pytest.mark.parametrize("finished", range(SITTINGS))
def test_an_interrupted_recording_goes_on_and_ends_as_an_undisturbed_one(
    table: LatencyTable, tmp_path: Path, finished: int
) -> None:
    out, breaking = tmp_path / "table.parquet", Breaking()
    breaking.last = finished
    with pytest.raises(InterruptedRecordingError):
        record(stopwatch=breaking, out=out)
    assert not out.exists()
    rest = Stopwatch()
    resumed = record(stopwatch=rest, out=out)
    assert len(rest.requests) == SITTINGS - finished
    assert resumed.hash == table.hash
    assert LatencyTable.load(out).hash == table.hash
    assert [path.name for path in tmp_path.iterdir()] == ["table.parquet"]


def interrupted(out: Path, finished: int = SITTINGS - 1, plan: TablePlan = PLAN, device: Device = CPU) -> list[Path]:
    breaking = Breaking()
    breaking.last = finished
    with pytest.raises(InterruptedRecordingError):
        record_table(plan, device, out=out, backend=FakeBackend(device), measure_one=breaking)
    return sorted(out.with_name(f"{out.name}.parts").glob("*.parquet"))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "table.parquet"


def resumed(out: Path, free: int = 64 * GIB) -> tuple[LatencyTable, int, list[str]]:
    """The table, how many sittings were measured, and what was noted."""
    stopwatch, notes = Stopwatch(), list[str]()
    table = record_table(PLAN, CPU, out=out, backend=FakeBackend(free=free), measure_one=stopwatch, note=notes.append)
    return table, len(stopwatch.requests), notes


def test_a_damaged_part_is_measured_again(table: LatencyTable, out: Path) -> None:
    path = interrupted(out)[1]
    path.write_bytes(path.read_bytes()[:-1])
    again, measured, notes = resumed(out)
    assert (again.hash, measured) == (table.hash, 2)
    assert notes == [f"{path}: damaged, measured again"]


@pytest.mark.parametrize(
    ("plan", "device"),
    [
        (make_plan("decode:64", "generate:40,prompt=16", "throughput:64", "memory:64", meta_tokens=3, seed=1), CPU),
        (PLAN, CPU.model_copy(update={"fingerprint": {"kind": "cpu", "cpu": "Imaginary 2"}})),
    ],
)
def test_parts_of_another_plan_or_device_are_not_used(
    table: LatencyTable, out: Path, plan: TablePlan, device: Device
) -> None:
    interrupted(out, plan=plan, device=device)
    again, measured, notes = resumed(out)
    assert (measured, again.hash) == (SITTINGS, table.hash)
    assert "begun for another table or on another device" in notes[0]
    assert len(notes) == SITTINGS


def test_sittings_stay_cut_as_they_were_begun(out: Path) -> None:
    """The free memory is never the same twice."""
    parts = interrupted(out)
    again, measured, notes = resumed(out, free=63 * GIB)
    assert (measured, notes) == (1, [])
    assert again.info.memory_bytes == 64 * GIB
    assert len(parts) == SITTINGS - 1


def test_without_room_for_the_next_sitting_it_stops_and_keeps_what_it_has(out: Path) -> None:
    parts = interrupted(out)
    with pytest.raises(RunError, match=r"what is measured next needs .* GiB, and .* GiB are free now"):
        resumed(out, free=2**10)
    assert all(path.exists() for path in parts)
    assert resumed(out)[1] == 1


def test_progress_goes_from_nothing_to_everything(out: Path) -> None:
    interrupted(out, 2)
    told: list[tuple[int, int]] = []
    record_table(
        PLAN, CPU, out=out, backend=FakeBackend(), measure_one=Stopwatch(), progress=lambda *now: told.append(now)
    )
    assert told[-1] == (5 * SITTINGS, 5 * SITTINGS)
    assert [done for done, _ in told] == [5, 10, 11, 15, 16, 20]


def without(code: str, reason: str = "RuntimeError: no kernel") -> Stopwatch:
    """Nothing with this operator runs."""
    return Stopwatch(
        fail=lambda network: reason if any(operator.code == code for operator in network.operators) else None
    )


def test_an_operator_that_never_runs_is_left_out_and_the_rest_is_kept(table: LatencyTable) -> None:
    plan = make_plan("decode:64", held_out=30)
    good = [network for network in plan.calibration + plan.held_out if "m2" not in network.notation]
    plan = replace(plan, calibration=(*plan.calibration[:2], *good[:6]))
    lacking = record(plan, without("m2"))
    assert lacking.info.failures["w64 (m2)x3"] == "RuntimeError: no kernel"
    assert all("m2" in notation for notation in lacking.info.failures)
    assert {cell.key.operator for cell in lacking.cells} >= {"a", "f", OVERHEAD}
    assert "m2" not in {cell.key.operator for cell in lacking.cells}
    decode = plan.workloads[0]
    check = lacking.check(decode)
    assert check is not None
    assert check.n == sum("m2" not in network.notation for network in plan.held_out)
    assert lacking.predict(good[-1], decode) == pytest.approx(cost(good[-1], "step", 64, 1), rel=0.02)
    (reason,) = lacking.covers(OPERATORS, (64,), decode, vocabulary=256)
    assert reason.startswith("no operator 'm2' at width 64")


def test_single_networks_that_fail_are_left_out() -> None:
    plan = make_plan("decode:64")
    doomed = {plan.calibration[0], plan.held_out[3], Architecture.parse("w64 (a)x6")}
    table = record(plan, Stopwatch(fail=lambda network: "out of memory" if network in doomed else None))
    assert table.info.failures == {network.notation: "out of memory" for network in doomed}
    (phase,) = table.info.phases.values()
    assert phase.calibration.n == len(plan.calibration) - 1
    check = table.check(plan.workloads[0])
    assert check is not None
    assert check.n == len(plan.held_out) - 1
    networks = random_networks()
    bare = [network.model_copy(update={"meta_tokens": 0}) for network in networks]
    expected = [cost(network, "step", 64, 1) for network in bare]
    assert np.allclose(table.predict_many(bare, plan.workloads[0]), expected, rtol=0.02)


def test_where_nothing_runs_the_first_reason_is_told() -> None:
    with pytest.raises(RunError, match=r"ran on 0 of the 8 networks to calibrate on.*\(no driver\)"):
        record(make_plan("decode:64"), Stopwatch(fail=lambda network: "no driver"))


def test_large_batches_of_a_throughput_may_fail() -> None:
    class SmallBatches(Stopwatch):
        def __call__(self, request: SittingRequest, *, progress: Progress | None = None) -> SittingResult:
            self.fail = lambda network: "out of memory" if request.batch > 8 else None
            return super().__call__(request, progress=progress)

    plan = make_plan("throughput:64")
    table = record(plan, SmallBatches())
    assert {record.batch for record in table.info.phases.values()} == {1, 8}
    assert table.predict(Architecture.parse("w64 a f"), plan.workloads[0]) > 0


def test_without_held_out_networks_there_is_no_check() -> None:
    table = record(make_plan("decode:64", held_out=0))
    assert table.info.workloads == {"decode:64": None}


def test_energy_without_a_counter_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    stopwatch = Stopwatch()
    backend = FakeBackend()
    backend._powercap = tmp_path
    with pytest.raises(InputError, match="energy"):
        record_table(make_plan("decode:64", "energy:64"), CPU, backend=backend, measure_one=stopwatch)
    assert not stopwatch.requests
