from dataclasses import replace
from typing import Any
from weakref import WeakSet

import pytest
import torch
from meter_fakes import FakeMeter

from nas_search.errors import InputError
from nas_search.profiler import networks
from nas_search.profiler.backend import Run, Verdict, backend_of
from nas_search.profiler.cpu_backend import CpuBackend
from nas_search.profiler.device import Device, resolve_device
from nas_search.profiler.failures import failure_of, out_of_memory
from nas_search.profiler.measure import measure
from nas_search.profiler.measurement import Failure, Measurement
from nas_search.profiler.networks import TimedNetwork, kernels_in_use, timing_session
from nas_search.profiler.phases import Phase
from nas_search.profiler.precision import Precision
from nas_search.profiler.roofline import memory_bytes
from nas_search.profiler.timing import StopRule, Task
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture
from nas_search.space.kernels.fused.choice import FUSED, STEP_CHOICES, LayerKind, StepTimes
from nas_search.space.notation import parse_operators

CPU = resolve_device("cpu")
QUICK = StopRule(interval=0.5, min_rounds=3, max_rounds=3, max_seconds=10)
NETWORKS = [Architecture.parse(text) for text in ("w32 a f", "w32 meta=2 (m2 f d)x4 swa[window=8]")]
FLOAT32 = Precision.of("float32")


def outcomes(text: str, **options: Any) -> list[Measurement | Failure]:
    return measure(NETWORKS, Workload.parse(text), device=CPU, seed=0, stop=QUICK, **options)


@pytest.mark.parametrize("text", ["decode:16", "decode:16,batch=3", "prefill:16,batch=2", "generate:4,prompt=8"])
def test_measures_in_order_with_everything_it_takes_to_judge(text: str) -> None:
    told: list[tuple[int, int]] = []
    seen: list[int] = []
    small, large = outcomes(text, clock="device", progress=lambda *now: told.append(now), at=seen.append)
    assert isinstance(small, Measurement)
    assert isinstance(large, Measurement)
    assert 0 < small.value < large.value
    for found in (small, large):
        assert found.low <= found.value <= found.high
        assert (found.n, found.clock, found.workload) == (3, "device", text)
        assert (found.unit, found.source, found.batch) == (
            Workload.parse(text).unit,
            "measured",
            Workload.parse(text).batch,
        )
        assert found.device_id == CPU.id
        assert found.kernels
        assert found.value == pytest.approx(found.device, rel=0.2)  # drift is divided out
        assert found.precision == FLOAT32
    assert told[-1] == (3, 3)
    assert seen[:2] == [0, 1]


@pytest.mark.parametrize("asked", ["wall", None])
def test_on_a_busy_machine_wall_time_never_counts(asked: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even to compare with a table that was recorded on a quiet one: it is no time that the network takes."""
    monkeypatch.setattr(CpuBackend, "verdict", lambda self, samples: Verdict("device", True))
    for found in outcomes("decode:16", clock=asked):
        assert isinstance(found, Measurement)
        assert (found.clock, found.busy) == ("device", True)


def test_on_a_quiet_machine_the_clock_that_was_asked_for_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CpuBackend, "verdict", lambda self, samples: Verdict("wall", False))
    for asked, expected in (("wall", "wall"), ("device", "device"), (None, "wall")):
        clocks = {found.clock for found in outcomes("decode:16", clock=asked) if isinstance(found, Measurement)}
        assert clocks == {expected}


def test_generating_takes_a_prefill_and_all_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock of its own, on which a step takes longer the more it has behind it; the middle one has 41.5 tokens."""
    meter, real = FakeMeter(), TimedNetwork.phase_task

    def on_the_clock(network: TimedNetwork, phase: Phase, batch: int) -> Task:
        task = real(network, phase, batch)

        def run() -> None:
            task.run()
            meter.pass_ms(5.0 * phase.context if phase.kind == "prefill" else 3.0 + 0.1 * phase.context)

        return replace(task, run=run)

    monkeypatch.setattr(CpuBackend, "meter", lambda self: meter)
    monkeypatch.setattr(TimedNetwork, "phase_task", on_the_clock)
    generated, prefilled, step = (
        outcomes(text, clock="device")[1] for text in ("generate:65,prompt=8", "prefill:8", "decode:40")
    )
    assert isinstance(generated, Measurement)
    assert isinstance(prefilled, Measurement)
    assert isinstance(step, Measurement)
    assert (prefilled.value, step.value) == (pytest.approx(50.0), pytest.approx(7.2))
    assert generated.value == pytest.approx(prefilled.value + 64 * (step.value - 0.05))


def test_throughput_takes_the_largest_batch_that_it_may_and_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    found = outcomes("throughput:16,batch=5")
    for outcome in found:
        assert isinstance(outcome, Measurement)
        assert (outcome.batch, outcome.unit) == (5, "tokens/s")
        assert outcome.low <= outcome.value <= outcome.high
        assert outcome.value > 100
    monkeypatch.setattr(CpuBackend, "free_bytes", lambda self: 10**6)
    small, large = (outcome for outcome in outcomes("throughput:16"))
    assert isinstance(small, Measurement)
    assert isinstance(large, Measurement)
    assert small.batch > large.batch > 1
    monkeypatch.setattr(CpuBackend, "free_bytes", lambda self: 1000)
    assert all(
        isinstance(outcome, Failure) and "not one sequence" in outcome.reason for outcome in outcomes("throughput:16")
    )


def test_a_batch_that_does_not_fit_after_all_is_made_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    step_task = TimedNetwork.step_task

    def tight(self: TimedNetwork, context: int, batch: int) -> Any:
        if batch > 7:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
        return step_task(self, context, batch)

    monkeypatch.setattr(TimedNetwork, "step_task", tight)
    assert [outcome.batch for outcome in outcomes("throughput:16,batch=16") if isinstance(outcome, Measurement)] == [
        7,
        7,
    ]


def test_peak_memory_has_weights_and_state(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Run] = []

    def peak(self: CpuBackend, run: Run) -> int:
        ran.append(run)
        run()
        return 5 * 2**20

    monkeypatch.setattr(CpuBackend, "peak_bytes", peak)
    small, _ = outcomes("memory:16,batch=2")
    assert isinstance(small, Measurement)
    assert (small.value, small.unit, small.batch, len(ran)) == (5.0, "MiB", 2, 2)


def test_one_network_that_is_out_of_memory_is_one_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    phase_task = TimedNetwork.phase_task

    def broken(self: TimedNetwork, phase: Phase, batch: int) -> Any:
        if self.architecture == NETWORKS[0]:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried")
        return phase_task(self, phase, batch)

    monkeypatch.setattr(TimedNetwork, "phase_task", broken)
    failed, measured = outcomes("decode:16")
    assert isinstance(failed, Failure)
    assert failed.reason.startswith("out of memory")
    assert isinstance(measured, Measurement)


def test_another_error_is_no_row() -> None:
    assert not out_of_memory(RuntimeError("CUDA error: an illegal memory access was encountered"))
    with pytest.raises(RuntimeError, match="illegal"):
        failure_of(RuntimeError("CUDA error: an illegal memory access was encountered"))


def test_what_does_not_fit_together_is_measured_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = (memory_bytes(network, 17, 1, FLOAT32) for network in NETWORKS)
    monkeypatch.setattr(CpuBackend, "free_bytes", lambda self: large)
    assert all(isinstance(outcome, Measurement) for outcome in outcomes("decode:16"))
    monkeypatch.setattr(CpuBackend, "free_bytes", lambda self: small)
    fits, too_large = outcomes("decode:16")
    assert isinstance(fits, Measurement)
    assert isinstance(too_large, Failure)
    assert "not one sequence of 17 tokens can be held" in too_large.reason


def test_a_piece_leaves_the_memory_before_the_next_one_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    living: WeakSet[TimedNetwork] = WeakSet()
    seen, told = list[int](), list[tuple[int, int]]()

    class Counted(TimedNetwork):
        def __init__(self, *arguments: Any) -> None:
            seen.append(len(living))
            super().__init__(*arguments)
            living.add(self)

    monkeypatch.setattr(networks, "TimedNetwork", Counted)
    monkeypatch.setattr(CpuBackend, "free_bytes", lambda self: memory_bytes(NETWORKS[1], 17, 1, FLOAT32))
    outcomes("decode:16", progress=lambda *now: told.append(now))
    assert seen == [0, 0]
    assert told == sorted(told)
    assert told[-1] == (200, 200)


def test_what_does_not_fit_at_all_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CpuBackend, "free_bytes", lambda self: 1000)
    with pytest.raises(InputError, match="workload 'decode:16': not one sequence of 17 tokens can be held"):
        outcomes("decode:16")


@pytest.mark.usefixtures("no_kernel_packages")
def test_fused_steps_are_among_the_kernels_where_they_were_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, operators = Device(name="h100", fingerprint={"kind": "cuda"}, place="cuda:0"), parse_operators("m2 f")
    times = {
        LayerKind("m2", 32, "bfloat16", 1): StepTimes(1.0, 2.0),
        LayerKind("d", 32, "bfloat16", 1): StepTimes(2.0, 1.0),
    }
    monkeypatch.setattr(STEP_CHOICES, "times", times)
    assert kernels_in_use(operators, gpu, "bfloat16") == ("PyTorch", FUSED)
    assert kernels_in_use(operators, gpu, "float32") == ("PyTorch",)
    assert kernels_in_use(parse_operators("d f"), gpu, "bfloat16") == ("PyTorch",)
    assert FUSED not in kernels_in_use(operators, CPU, "bfloat16")


def test_threads_are_one_and_come_back() -> None:
    before = torch.get_num_threads()
    with timing_session():
        assert torch.get_num_threads() == 1
        assert torch.is_inference_mode_enabled()
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_step_stays_where_it_is(network: Architecture, dtype: Any) -> None:
    with timing_session():
        timed = TimedNetwork(network, 0, backend_of(CPU), Precision.of(dtype))
        task = timed.phase_task(Phase("step", 20), batch=2)
        chosen = [task.run() for _ in range(100)]
    assert all(isinstance(tokens, torch.Tensor) and tokens.shape == (2,) for tokens in chosen)


def test_a_prefill_task_gives_the_same_every_time() -> None:
    with timing_session():
        seen: list[torch.Tensor] = []
        timed = TimedNetwork(NETWORKS[1], 0, backend_of(CPU), FLOAT32)
        prefill = timed.model.prefill
        timed.model.prefill = lambda *arguments: seen.append(prefill(*arguments)) or seen[-1]  # type: ignore[func-returns-value]
        task = timed.phase_task(Phase("prefill", 18), batch=1)
        for _ in range(3):
            task.run()
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])
