"""Real networks, measured in turns."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cuda_fakes import fake_backend
from recording_fakes import Stopwatch

from nas_search.errors import RunError
from nas_search.profiler import isolated_sitting
from nas_search.profiler.device import resolve_device
from nas_search.profiler.isolated import JsonObject, MeasuringProcessError, run_here, run_isolated
from nas_search.profiler.isolated_sitting import measure_sitting_isolated
from nas_search.profiler.networks import TimedNetwork
from nas_search.profiler.phases import Phase
from nas_search.profiler.plan import TablePlan
from nas_search.profiler.precision import Precision
from nas_search.profiler.record import record_table
from nas_search.profiler.sitting import SittingRequest, SittingTask, measure_sitting
from nas_search.profiler.timing import Progress, StopRule, Task
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture
from nas_search.space.notation import parse_operators

CPU = resolve_device("cpu")
QUICK = StopRule(interval=0.5, min_rounds=3, max_rounds=3, max_seconds=20)
TASKS = [
    SittingTask("w32 a", 0, (16,)),
    SittingTask("w32 a", 0, (32,)),
    SittingTask("w32 m2 f", 0, (16, 32)),
    SittingTask("w32 m2 f", 1, (16, 32)),
    SittingTask("w64 f", 0, (16, 32)),
]


def request(**fields: Any) -> SittingRequest:
    values = {
        "place": "cpu", "device_id": CPU.id, "kind": "step", "batch": 2, "precision": Precision.of("float32"),
        "tasks": tuple(TASKS), "seed": 0, "stop": QUICK,
    }  # fmt: skip
    return SittingRequest.model_validate(values | fields)


def test_every_task_is_measured_in_every_round() -> None:
    told: list[tuple[int, int]] = []
    result = measure_sitting(request(), progress=lambda *now: told.append(now))
    assert (result.ran, result.failures) == ((0, 1, 2, 3, 4), {})
    assert result.samples.wall.shape == result.samples.device.shape == result.samples.order.T.shape == (5, 3)
    assert np.all(result.samples.device > 0)
    assert result.kernels[0] == "PyTorch"
    assert result.seconds > 0
    assert told[-1] == (3, 3)


def test_phases_of_a_network_share_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    begin = TimedNetwork.__init__

    def watched(self: TimedNetwork, architecture: Architecture, *more: Any) -> None:
        built.append(architecture.notation)
        begin(self, architecture, *more)

    monkeypatch.setattr(TimedNetwork, "__init__", watched)
    measure_sitting(request())
    assert built == ["w32 a", "w32 m2 f", "w32 m2 f", "w64 f"]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object], str], None]:
    """Lets every network of a notation run something else."""
    phase_task = TimedNetwork.phase_task

    def install(run: Callable[[], object], notation: str) -> None:
        def phase(self: TimedNetwork, phase: Phase, batch: int) -> Task:
            return Task(run) if self.architecture.notation == notation else phase_task(self, phase, batch)

        monkeypatch.setattr(TimedNetwork, "phase_task", phase)

    return install


def raising(error: BaseException) -> Callable[[], object]:
    def run() -> object:
        raise error

    return run


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("no room\nat all"),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("CUDA error: out of memory"),
        NotImplementedError("no kernel for this head"),
    ],
)
def test_what_cannot_run_is_one_failure(failing: Callable[..., None], error: Exception) -> None:
    failing(raising(error), "w32 m2 f")
    result = measure_sitting(request())
    assert result.ran == (0, 1, 4)
    assert set(result.failures) == {2, 3}
    assert all(str(error).splitlines()[0] in reason and "\n" not in reason for reason in result.failures.values())
    assert result.samples.wall.shape == (3, 3)


def test_where_nothing_runs_there_are_no_samples(failing: Callable[..., None]) -> None:
    failing(raising(RuntimeError("no")), "w32 a")
    result = measure_sitting(request(tasks=(TASKS[0],)))
    assert (result.ran, result.failures) == ((), {0: "RuntimeError: no"})
    assert result.samples.wall.size == 0


def test_a_broken_device_ends_the_sitting(failing: Callable[..., None]) -> None:
    failing(raising(RuntimeError("CUDA error: an illegal memory access was encountered")), "w32 m2 f")
    turns: list[int] = []
    with pytest.raises(RuntimeError, match="illegal memory access"):
        measure_sitting(request(), at=turns.append)
    assert turns == [0, 1, 2]


def test_whose_turn_it_is_is_told_before_each_sample() -> None:
    turns: list[int] = []
    measure_sitting(request(), at=turns.append)
    assert turns[:5] == [0, 1, 2, 3, 4]
    assert all(turns[5:].count(index) >= QUICK.max_rounds for index in range(5))


def test_energy_is_that_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    backend, used = fake_backend(), list[str]()
    meter = backend.energy_meter()
    meter.sample_ms = 1.0
    monkeypatch.setattr(backend, "energy_meter", lambda: used.append("energy") or meter)
    result = measure_sitting(request(kind="energy", device_id=backend.device.id), backend=backend)
    assert used == ["energy"]
    assert result.verdict.clock == "device"
    assert len(result.ran) == 5


def test_elsewhere_it_is_the_same() -> None:
    asked = request(tasks=tuple(TASKS[2:]))
    here, there = (measure_sitting_isolated(asked, run=run) for run in (run_here, run_isolated))
    for result in (here, there):
        assert (result.ran, result.failures) == ((0, 1, 2), {})
        assert result.samples.wall.shape == (3, 3)
        assert result.samples.order.dtype == np.int64
    assert here.samples.order.tolist() == there.samples.order.tolist()
    assert here.kernels == there.kernels


def test_who_takes_the_process_along_fails_alone() -> None:
    deaths, asked = [2, 0], list[JsonObject]()

    def run(function: str, arguments: JsonObject, progress: Progress | None) -> JsonObject:
        asked.append(arguments)
        if deaths:
            raise MeasuringProcessError("killed by SIGKILL", deaths.pop(0))
        return run_here(function, arguments, progress)

    result = measure_sitting_isolated(request(), run=run)
    assert len(asked) == 3
    assert result.ran == (1, 3, 4)
    assert result.failures == {0: "killed by SIGKILL", 2: "killed by SIGKILL"}


def test_where_every_task_dies_nothing_ran() -> None:
    def run(function: str, arguments: JsonObject, progress: Progress | None) -> JsonObject:
        if arguments["request"]["tasks"]:
            raise MeasuringProcessError("killed", 0)
        return run_here(function, arguments, progress)

    result = measure_sitting_isolated(request(), run=run)
    assert (result.ran, set(result.failures)) == ((), set(range(5)))


def test_a_process_that_does_not_begin_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated_sitting, "answer", raising(RuntimeError("nothing works here")))
    run = raising(MeasuringProcessError("it did not start", None))
    with pytest.raises(RunError, match="it did not start"):
        measure_sitting_isolated(request(), run=lambda *_: run())


@pytest.mark.parametrize("place", ["cpu", "gpu"])
def test_a_real_table(place: str) -> None:
    """Everything together: rough figures, but a table that predicts every workload that it was recorded for."""
    operators = parse_operators("a m2 f")
    sequences = (operators, operators * 3, operators[:1], operators[1:] * 2, operators[:2] * 3)
    sample = [Architecture(width=width, operators=layers, meta_tokens=3) for width in (32, 64) for layers in sequences]
    texts = ("decode:16", "prefill:24,batch=2", "generate:6,prompt=8", "throughput:16,batch=3", "memory:9")
    plan = TablePlan(
        space="tiny", operators=operators, widths=(32, 64), vocabulary=256, meta_tokens=3,
        workloads=tuple(Workload.parse(text) for text in texts), calibration=tuple(sample[:6]),
        held_out=tuple(sample[6:]), seed=0, stop=QUICK, energy_stop=QUICK,
    )  # fmt: skip
    backend = fake_backend() if place == "gpu" else None
    table = record_table(plan, backend.device if backend else CPU, backend=backend)
    deep, shallow = (Architecture(width=64, operators=operators * n, meta_tokens=3) for n in (4, 1))
    for workload in plan.workloads:
        more, less = table.raw_many([deep, shallow], workload)
        if workload.higher_is_better:
            more, less = less, more
        assert more > 1.2 * less
        assert np.isfinite(table.predict(deep, workload))
        assert (table.check(workload) is None) == (workload.kind == "memory")


def test_the_stopwatch_of_other_tests_measures_what_is_asked() -> None:
    """The formula stands in for this function, so it has to answer in the same form."""
    real, formula = measure_sitting(request()), Stopwatch()(request())
    assert (real.ran, real.failures) == (formula.ran, formula.failures)
    assert len(formula.samples.wall) == len(real.samples.wall)
