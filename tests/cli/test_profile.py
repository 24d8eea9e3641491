"""``nas-search profile``: figures for people and machines, on a processor and on GPUs by formula."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from cuda_fakes import STEADY, FakeDriver, fake_backend

from nas_search.profiler.cuda.backend import CudaBackend
from nas_search.profiler.measure import measure
from nas_search.profiler.measurement import Failure, Outcome
from nas_search.profiler.timing import StopRule
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture

Cli = Callable[..., Any]
QUICK = StopRule(interval=0.5, min_rounds=3, max_rounds=3, max_seconds=10)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real measurements of three rounds, in this process."""

    def here(architectures: Sequence[Architecture], workload: Workload, **options: Any) -> list[Outcome]:
        return measure(architectures, workload, **{**options, "stop": QUICK})

    monkeypatch.setattr("nas_search.profiler.isolated.measure_isolated", here)


@pytest.fixture
def on_a_gpu(two_gpus: None, monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    """The same on the first GPU."""
    driver = FakeDriver(now=lambda: STEADY)
    backend: CudaBackend = fake_backend(driver)

    def here(architectures: Sequence[Architecture], workload: Workload, **options: Any) -> list[Outcome]:
        return measure(architectures, workload, **{**options, "stop": QUICK, "backend": backend})

    monkeypatch.setattr("nas_search.profiler.isolated.measure_isolated", here)
    return driver


@pytest.mark.usefixtures("no_gpu")
def test_in_a_process_of_its_own(nas_search: Cli) -> None:
    outcome = nas_search("profile", "w32 f", "--workload", "memory:16", "--json")
    assert outcome.code == 0
    assert outcome.document["architecture"] == "w32 f"
    assert outcome.document["source"] == "measured"
    assert outcome.document["unit"] == "MiB"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("workload", "unit", "words"),
    [
        ("decode:16", "ms/token", "median of 3"),
        ("prefill:16,batch=2", "ms", "median of 3"),
        ("generate:4,prompt=8", "ms", "median of 3"),
        ("throughput:16,batch=4", "tokens/s", "median of 3"),
        ("memory:16", "MiB", "one run"),
    ],
)
def test_every_workload_for_people(nas_search: Cli, workload: str, unit: str, words: str) -> None:
    outcome = nas_search("profile", "w32 a f", "--workload", workload)
    assert outcome.code == 0
    figure = outcome.out.splitlines()[1]
    assert f" {unit} ({workload}), measured, " in figure
    assert words in figure
    assert "float32, kernels: PyTorch" in outcome.out
    assert ("CPU time" in outcome.out) == ("ms" in unit or "CPU time" in figure)


@pytest.mark.usefixtures("on_a_gpu")
def test_a_gpu_computes_in_bfloat16_on_its_own_clock_under_conditions(nas_search: Cli) -> None:
    outcome = nas_search("profile", "w32 a f", "--device", "h100", "--workload", "decode:16")
    assert outcome.code == 0
    assert " ms/token (decode:16,dtype=bfloat16), measured, GPU time, median of 3" in outcome.out
    assert "multiprocessors 1980 to 1980 MHz, memory 2619 to 2619 MHz, temperature 45 to 45 °C" in outcome.out
    assert "batch 1, bfloat16, kernels:" in outcome.out


def test_a_throttled_gpu_is_one_line(nas_search: Cli, on_a_gpu: FakeDriver) -> None:
    on_a_gpu.now = lambda: STEADY.model_copy(update={"throttled": ("hardware thermal slowdown",)})
    outcome = nas_search("profile", "w32 a f", "--device", "cuda", "--workload", "decode:16")
    assert outcome.code == 1
    assert outcome.out == ""
    assert "held down (hardware thermal slowdown)" in outcome.err.splitlines()[-1]


def test_a_network_that_fails_is_one_line(nas_search: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    failure = Failure(reason="killed by SIGKILL, probably out of memory")
    monkeypatch.setattr("nas_search.profiler.isolated.measure_isolated", lambda *_, **__: [failure])
    outcome = nas_search("profile", "w32 a f", "--workload", "memory:16")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == "nas-search: workload 'memory:16': killed by SIGKILL, probably out of memory\n"
