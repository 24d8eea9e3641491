import pytest
import torch

from nas_search.profiler.device import Device, resolve_device
from nas_search.profiler.measure import measure_architectures
from nas_search.profiler.networks import TimedNetwork, kernels_in_use, timing_session
from nas_search.profiler.phases import Phase
from nas_search.profiler.timing import StopRule
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture
from nas_search.space.kernels.fused.choice import FUSED, STEP_CHOICES, LayerKind, StepTimes
from nas_search.space.notation import parse_operators

QUICK = StopRule(interval=0.5, min_rounds=3, max_rounds=3, max_seconds=10)
NETWORKS = [Architecture.parse(text) for text in ("w32 a f", "w32 meta=2 (m2 f d)x4 swa[window=8]")]


@pytest.mark.parametrize("text", ["decode:16", "decode:16,batch=3", "prefill:16,batch=2", "generate:4,prompt=8"])
def test_measures_in_order_with_everything_it_takes_to_judge(text: str) -> None:
    workload = Workload.parse(text)
    told: list[tuple[int, int]] = []
    small, large = measure_architectures(
        NETWORKS, workload, seed=0, clock="cpu", stop=QUICK, progress=lambda *now: told.append(now)
    )
    assert 0 < small.latency_ms < large.latency_ms
    for found in (small, large):
        assert found.low_ms <= found.latency_ms <= found.high_ms
        assert (found.n, found.clock, found.workload) == (3, "cpu", text)
        assert found.device_id.startswith("cpu-")
        assert found.kernels
        assert found.latency_ms == found.cpu_ms
    assert told[-1] == (3, 3)


@pytest.mark.usefixtures("no_kernel_packages")
def test_fused_steps_are_among_the_kernels_where_they_were_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, operators = Device(name="cuda:0", fingerprint={}), parse_operators("m2 f")
    times = {
        LayerKind("m2", 32, "bfloat16", 1): StepTimes(1.0, 2.0),
        LayerKind("d", 32, "bfloat16", 1): StepTimes(2.0, 1.0),
    }
    monkeypatch.setattr(STEP_CHOICES, "times", times)
    assert kernels_in_use(operators, gpu, "bfloat16") == ("PyTorch", FUSED)
    assert kernels_in_use(operators, gpu, "float32") == ("PyTorch",)
    assert kernels_in_use(parse_operators("d f"), gpu, "bfloat16") == ("PyTorch",)
    assert FUSED not in kernels_in_use(operators, resolve_device("cpu"), "bfloat16")


def test_threads_are_one_and_come_back() -> None:
    before = torch.get_num_threads()
    with timing_session():
        assert torch.get_num_threads() == 1
        assert torch.is_inference_mode_enabled()
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("network", NETWORKS)
def test_a_step_task_always_starts_behind_its_context(network: Architecture) -> None:
    with timing_session():
        timed = TimedNetwork(network, seed=0)
        task = timed.phase_task(Phase("step", 20), batch=2)
        task.reset()
        first = task.run()
        second = task.run()
        task.reset()
        again = task.run()
        assert first.shape == (2, 256)
        assert torch.isfinite(again).all()
        assert not torch.equal(first, second)


def test_a_prefill_task_gives_the_same_every_time() -> None:
    with timing_session():
        seen = []
        timed = TimedNetwork(NETWORKS[1], seed=0)
        prefill = timed.model.prefill
        timed.model.prefill = lambda *arguments: seen.append(prefill(*arguments))
        task = timed.workload_task(Workload.parse("prefill:16"))
        for _ in range(3):
            task.run()
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])
