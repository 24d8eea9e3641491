"""``nas-search compare``: real figures of small networks, and tables of them."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cuda_fakes import fake_backend

from nas_search.cli.compare import WORKLOADS
from nas_search.profiler.compare import compare
from nas_search.profiler.device import Device
from nas_search.profiler.device_rates import DeviceRates
from nas_search.profiler.measure import measure
from nas_search.profiler.measurement import Failure, Outcome
from nas_search.profiler.timing import StopRule
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture

Cli = Callable[..., Any]
QUICK = StopRule(interval=0.5, min_rounds=3, max_rounds=3, max_seconds=10)
SMALL = ("w32 a f", "w64 (m2 f)x3")


def rates(device: Device, dtype: Any, **options: Any) -> DeviceRates:
    return DeviceRates(
        origin="measured", source="median of 9, wall clock", dtype=dtype,
        bandwidth_bytes_per_s=2e10, flops_per_s=1e11, launch_ms=0.0,
    )  # fmt: skip


def measuring(monkeypatch: pytest.MonkeyPatch, measure_networks: Any) -> None:
    changed = partial(compare, measure_networks=measure_networks, rates_of=rates)
    monkeypatch.setattr("nas_search.profiler.compare.compare", changed)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Real measurements of three rounds in this process; the workloads that were asked for."""
    asked: list[str] = []

    def here(architectures: Sequence[Architecture], workload: Workload, **options: Any) -> list[Outcome]:
        asked.append(str(workload))
        return measure(architectures, workload, **{**options, "stop": QUICK})

    measuring(monkeypatch, here)
    return asked


def test_every_figure_stands_beside_its_ratio_and_its_ceiling(nas_search: Cli, quick: list[str]) -> None:
    outcome = nas_search("compare", *SMALL, "--workload", "decode:16", "--workload", "throughput:16,batch=4")
    assert (outcome.code, outcome.err) == (0, "")
    lines = [line.split() for line in outcome.out.splitlines()]
    latency = lines.index(["decode:16,", "ms/token,", "lower", "is", "better"])
    assert "first / this" in " ".join(lines[latency + 1])
    assert {"ceiling", "reached"} < set(lines[latency + 1])
    assert lines[latency + 2][0] == "1"
    assert "1.000" in lines[latency + 2]
    throughput = lines.index(["throughput:16,batch=4,", "tokens/s,", "higher", "is", "better"])
    assert "this / first" in " ".join(lines[throughput + 1])
    assert lines[throughput + 3][-1] == "4"
    assert outcome.out.count("ceiling: 20 GB/s and 0.1 TFLOP/s in float32, measured (median of 9, wall clock)") == 2
    assert "w64 (m2 f)x3" in outcome.out
    assert quick == ["decode:16", "throughput:16,batch=4"]


def test_defaults_are_about_latency_throughput_and_memory(nas_search: Cli, quick: list[str]) -> None:
    document = nas_search("compare", *SMALL, "--json").document
    assert quick == list(WORKLOADS["cpu"])
    assert [found["unit"] for found in document["workloads"]] == ["ms/token", "tokens/s", "MiB"]
    assert [one["architecture"] for one in document["architectures"]] == list(SMALL)
    assert document["source"] == "measured"
    first, second = document["workloads"][0]["figures"]
    assert first["ratio"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert second["ratio"]["low"] <= second["ratio"]["value"] <= second["ratio"]["high"] < 1
    assert second["outcome"]["n"] == 3


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_is_asked_more_and_in_bfloat16(nas_search: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    backend, asked = fake_backend(), []

    def here(architectures: Sequence[Architecture], workload: Workload, **options: Any) -> list[Outcome]:
        asked.append(str(workload))
        short = workload.model_copy(update={"prompt": 16, "batch": min(workload.batch, 2)})
        return measure(architectures, short, **{**options, "stop": QUICK, "backend": backend})

    measuring(monkeypatch, here)
    outcome = nas_search("compare", *SMALL, "--device", "h100")
    assert outcome.code == 0
    assert asked == [f"{text},dtype=bfloat16" for text in WORKLOADS["cuda"]]
    assert "GPU time" in outcome.out
    assert "in bfloat16, measured" in outcome.out


def test_a_row_that_failed_shows_its_reason_and_the_others_are_printed(
    nas_search: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def second_fails(architectures: Sequence[Architecture], workload: Workload, **options: Any) -> list[Outcome]:
        (first,) = measure(architectures[:1], workload, **{**options, "stop": QUICK})
        return [first, Failure(reason="killed by SIGKILL, probably out of memory")]

    measuring(monkeypatch, second_fails)
    outcome = nas_search("compare", *SMALL, "--workload", "decode:16")
    assert outcome.code == 1
    assert outcome.err == (
        "nas-search: 1 of 2 figures could not be measured: killed by SIGKILL, probably out of memory\n"
    )
    assert "2: killed by SIGKILL, probably out of memory" in outcome.out
    assert any(line.split()[:2] == ["2", "failed"] for line in outcome.out.splitlines())
    assert nas_search("compare", *SMALL, "--workload", "decode:16", "--json").document["workloads"]


@pytest.mark.usefixtures("no_gpu")
def test_in_processes_of_their_own(nas_search: Cli, tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(Architecture.parse("w32 f").to_yaml())
    outcome = nas_search("compare", path, "w64 f", "--workload", "memory:16")
    assert outcome.code == 0
    assert str(path) in outcome.out
    assert "peak" in outcome.out
