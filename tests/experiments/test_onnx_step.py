"""What the benchmark of exported graphs compares computes the same."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "experiments" / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("onnx_step")


def test_both_regimes_agree(benchmark: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    benchmark.check(benchmark.CHECK)
    (network,) = benchmark.CHECK.networks
    agreeing = [f"{regime} of {network}: onnxruntime agrees" for regime in ("decode", "prefill")]
    assert capsys.readouterr().out.splitlines() == agreeing


def test_a_ring_longer_than_the_text_is_filled_up(benchmark: ModuleType) -> None:
    part = torch.ones(1, 2, 3, 9, 4)
    padded = benchmark.in_slots(part, ["batch", 2, 3, 512, 4])
    assert padded.shape == (1, 2, 3, 512, 4)
    assert padded.sum() == part.sum()
    assert benchmark.in_slots(part, ["batch", 2, 3, 9, 4]).shape == part.shape
