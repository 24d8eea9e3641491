"""What the benchmark prints and writes, also when something is missing or fails."""

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from gpu_fakes import BENCHMARKS, cpu_bench, load
from rich.console import Console

from nas_search.space.architecture import Architecture
from nas_search.space.operators.registry import operator_types


def small_plan() -> Any:
    operators = load("gpu_operators")
    rounds = load("comparison").Rounds(2, 2, 1)
    settings = {"batch": 1, "tokens": 7, "contexts": (5, 9)}
    return operators.Plan((256,), lambda: [("nemotron-flash-1b", Architecture.parse("w32 a f"))], rounds, **settings)


def run_report(tmp_path: Path, console: Console) -> tuple[bool, dict[str, Any], str]:
    operators = load("gpu_operators")
    path = tmp_path / "found.json"
    record = operators.Record(path, {"name": "a CPU"})
    complete = operators.report(small_plan(), cpu_bench(), record, console)
    document = json.loads(path.read_text())
    assert document == json.loads(json.dumps(record.document))
    return complete, document, console.export_text()


@pytest.fixture
def console() -> Console:
    return Console(width=200, record=True, quiet=False, file=StringIO())


def test_everything_is_compared_printed_and_written(packages: None, tmp_path: Path, console: Console) -> None:
    """In float32, which flash-attn and the scans of flash-linear-attention do not take."""
    complete, document, text = run_report(tmp_path, console)
    assert complete
    found = {(row["case"]["operator"], row["case"]["phase"]): row for row in document["wrapping"]}
    assert set(found) == {(code, phase) for code in operator_types() for phase in ("training", "decode")}
    without = {(code, "training") for code in ("d", "gd", "gla", "r7")}
    for case, row in found.items():
        assert bool(row["figures"]) == (case not in without)
        assert ("does not take float32" in row["note"]) == (case in without)
    assert found["a", "training"]["missing"] == ["causal attention"]
    contestants = [figure["contestant"] for figure in found["m2", "decode"]["figures"]]
    assert contestants == ["nas-search", "direct", "direct, kernel options"]
    assert [row["context"] for row in document["decoding"]] == [5, 9]
    assert "at least 0.95: reached (14 of 14 are); not compared: 4" in text
    assert text.count("target, nemotron-flash-1b") == 2


@pytest.mark.usefixtures("no_kernel_packages")
def test_a_missing_package_is_told(tmp_path: Path, console: Console) -> None:
    complete, document, _ = run_report(tmp_path, console)
    assert complete
    compared = {row["case"]["operator"] for row in document["wrapping"] if row["figures"]}
    assert compared == {"a", "swa", "f"}
    notes = {row["case"]["operator"]: row["note"] for row in document["wrapping"] if not row["figures"]}
    assert notes.keys() == operator_types().keys() - compared
    assert all("flash-linear-attention" in notes[code] for code in ("d", "gd", "gla", "r7"))
    assert all("mamba-ssm" in notes[code] for code in ("m", "m2"))


@pytest.mark.usefixtures("no_kernel_packages")
def test_a_row_that_fails_costs_no_other(tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*inputs: Any) -> Any:
        raise torch.OutOfMemoryError("no memory\nleft")

    monkeypatch.setattr(load("wrapping"), "training_of_stack", exhausted)
    complete, document, text = run_report(tmp_path, console)
    assert not complete
    failed = [row["case"]["phase"] for row in document["wrapping"] if row["failed"]]
    assert failed == ["training"] * 3
    assert text.count("OutOfMemoryError: no memory left") == 3
    assert all(row["figures"] for row in document["decoding"])


@pytest.mark.usefixtures("no_kernel_packages")
def test_results_are_written_after_every_row(tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the end: it is interrupted at the first network."""

    def interrupted(*inputs: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(load("gpu_operators"), "measure_decoding", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_report(tmp_path, console)
    document = json.loads((tmp_path / "found.json").read_text())
    assert len(document["wrapping"]) == 2 * len(operator_types())
    assert document["decoding"] == []


@pytest.mark.parametrize(
    ("lows", "words"),
    [([0.95, 1.2], "reached (2 of 2 are)"), ([0.94, 1.2], "NOT reached (1 of 2 are not)"), ([], "unknown")],
)
def test_targets(lows: list[float], words: str) -> None:
    assert load("gpu_operators").target_reached(lows, 0.95).startswith(words)


def test_the_table_of_steps_has_both_times(console: Console) -> None:
    kind = {"operator": "d[head_dim=4]", "width": 2048, "dtype": "bfloat16", "batch": 1}
    steps = [
        {**kind, "fused_ms": 0.01, "plain_ms": 0.025, "kernel": "fused"},
        {**kind, "fused_ms": None, "plain_ms": None, "kernel": "plain"},
    ]
    console.print(load("gpu_operators").step_table(steps))
    *_, first, second, _ = (line.split() for line in console.export_text().splitlines())
    assert [cell for cell in first if cell != "│"] == [
        "d[head_dim=4]",
        "2048",
        "bfloat16",
        "1",
        "10.0",
        "25.0",
        "2.50",
        "fused",
    ]
    assert [cell for cell in second if cell != "│"] == ["d[head_dim=4]", "2048", "bfloat16", "1", "plain"]


@pytest.mark.parametrize(("name", "expected"), [("NVIDIA H100 80GB HBM3", 3.35e12), ("NVIDIA Something New", None)])
def test_the_published_bandwidth_is_that_of_the_known_device(name: str, expected: float | None) -> None:
    properties = SimpleNamespace(name=name, total_memory=85_000_000_000)
    assert load("gpu_bench").published_bandwidth(properties) == expected


def test_clocks_and_driver(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    library = SimpleNamespace(
        NVML_CLOCK_SM=1,
        NVML_CLOCK_MEM=2,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: f"handle of {uuid}",
        nvmlDeviceGetClockInfo=lambda handle, kind: {1: 1500, 2: 2600}[kind] if handle == "handle of GPU-12-34" else 0,
        nvmlSystemGetDriverVersion=lambda: "580.1",
    )
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda device: SimpleNamespace(uuid="12-34"))
    bench = load("gpu_bench")
    monkeypatch.setitem(sys.modules, "pynvml", library)
    known = bench.Nvml(torch.device("cuda"))
    assert (known.clocks(), known.driver()) == (bench.Clocks(1500, 2600), "580.1")
    assert capsys.readouterr().out == ""
    monkeypatch.setitem(sys.modules, "pynvml", None)
    unknown = bench.Nvml(torch.device("cuda"))
    assert (unknown.clocks(), unknown.driver()) == (None, None)
    assert capsys.readouterr().out.startswith("clocks and driver are unknown: ModuleNotFoundError")
    rows = [
        SimpleNamespace(clocks=clocks) for clocks in [(bench.Clocks(1500, 2600), bench.Clocks(1980, 2600)), (None,)]
    ]
    seen = "clocks: multiprocessors 1500 to 1980 MHz, memory 2600 to 2600 MHz"
    assert load("gpu_operators").clocks_seen(rows) == seen
    assert load("gpu_operators").clocks_seen(rows[1:]) == "clocks: unknown"


def test_a_file_that_cannot_be_written_is_told_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    operators = load("gpu_operators")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.current_device", lambda: 0)
    monkeypatch.setattr(operators, "Nvml", lambda device: None)
    monkeypatch.setattr(operators, "device_facts", lambda device, nvml: {})
    path = tmp_path / "nowhere" / "found.json"
    monkeypatch.setattr(sys, "argv", ["gpu_operators.py", "--out", str(path)])
    assert operators.main() == 2
    assert capsys.readouterr().err == f"gpu_operators: --out {path}: No such file or directory\n"


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_without_cuda_one_line_says_so() -> None:
    command = [sys.executable, BENCHMARKS / "gpu_operators.py", "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "gpu_operators: PyTorch finds no CUDA device, and everything here is measured on one\n"
