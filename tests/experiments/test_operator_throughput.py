"""The benchmark's contestants compute the same, it would notice if they did not, and its ratios are right."""

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from nas_search.space.operators.registry import operator_types

BENCHMARKS = Path(__file__).parents[2] / "experiments" / "benchmarks"


@pytest.fixture
def comparison(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("comparison")


def test_contestants_agree() -> None:
    """In a process of its own: here transformers may have been imported with the kernels of fla."""
    command = [sys.executable, BENCHMARKS / "operator_throughput.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *_, last = done.stdout.splitlines()
    # Every operator has at least our layer, in training and in decoding.
    assert int(last.removesuffix(" contestants agree")) >= 2 * len(operator_types())


def test_disagreement_is_an_error(comparison: ModuleType) -> None:
    ours = torch.ones(8)
    contestants = {"nas-search": lambda: lambda: (ours,), "theirs": lambda: lambda: (1.001 * ours,)}
    with pytest.raises(RuntimeError, match=r"^f: tensor 0 of theirs differs from ours by 1.0e-03$"):
        comparison.check_agreement(comparison.Comparison("f", "training", "f", contestants))


def test_figures_are_of_runs_alone(comparison: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0]
    monkeypatch.setattr(comparison.time, "thread_time_ns", lambda: clock[0])

    def after(preparation_ms: int, run_ms: int) -> object:
        def run() -> tuple[Tensor, ...]:
            clock[0] += run_ms * 1_000_000
            return (torch.ones(1),)

        def make_ready() -> object:
            clock[0] += preparation_ms * 1_000_000
            return run

        return make_ready

    contestants = {"nas-search": after(40, 20), "theirs": after(70, 70)}
    rounds = comparison.Rounds(least=2, most=9, seconds=1)
    ours, theirs = comparison.compare(comparison.Comparison("f", "decode", "f", contestants, tokens=10), rounds)
    assert (ours.median_ms, ours.ratio) == (2, 1)
    assert (theirs.median_ms, theirs.ratio, theirs.ratio_low, theirs.ratio_high) == (7, 3.5, 3.5, 3.5)
    # The first round, preparations included, took 0.2 s.
    assert ours.n == theirs.n == 5
