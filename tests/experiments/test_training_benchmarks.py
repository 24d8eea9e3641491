"""Benchmarks of the trainer compare equal trainings, and count what they say."""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from nas_search.proxies.optimizers import make_optimizers
from nas_search.proxies.recipe import TrainingRecipe

BENCHMARKS = Path(__file__).parents[2] / "experiments" / "benchmarks"
NETWORK = "w32 d f a"
RECIPE = TrainingRecipe(warmup_tokens=0)


@pytest.fixture
def tokens() -> NDArray[np.uint8]:
    torch.set_num_threads(1)
    return np.random.default_rng(0).integers(256, size=1 << 14, dtype=np.uint8)


def benchmark(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module(name)


@pytest.mark.parametrize("recipe", ["adamw", "muon, weight norm"])
def test_the_plain_loop_trains_the_same(
    monkeypatch: pytest.MonkeyPatch, tokens: NDArray[np.uint8], recipe: str
) -> None:
    overhead = benchmark("training_overhead", monkeypatch)
    comparison = overhead.comparison_of(NETWORK, recipe, tokens)
    for _ in range(2):
        importlib.import_module("comparison").check_agreement(comparison)
    other_rate = RECIPE.model_copy(update={"learning_rate": 1e-2})
    monkeypatch.setattr(overhead, "make_optimizers", lambda model, recipe: make_optimizers(model, other_rate))
    comparison = overhead.comparison_of(NETWORK, recipe, tokens)
    with pytest.raises(RuntimeError, match="plain loop differs from ours"):
        importlib.import_module("comparison").check_agreement(comparison)


def test_the_verdict_is_about_the_worst_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    overhead = benchmark("training_overhead", monkeypatch)
    row = importlib.import_module("comparison").Row

    def rows(low: float) -> list[object]:
        ours = row("f", "adamw", "f", "nas-search", 3, 1.0, (1.0, 1.0), 1.0, 1.0, 1.0)
        return [ours, *(row("f", "adamw", "f", "plain loop", 3, 1.0, (1.0, 1.0), 1.0, one, 1.1) for one in (0.99, low))]

    assert overhead.verdict(rows(0.975)).endswith(": reached")
    assert overhead.verdict(rows(0.965)).endswith(": NOT reached")


def test_the_cost_of_weight_normalisation_has_its_parts(
    monkeypatch: pytest.MonkeyPatch, tokens: NDArray[np.uint8]
) -> None:
    cost = benchmark("weight_norm_cost", monkeypatch)
    monkeypatch.setattr(cost, "STEPS", 1)
    row = cost.measure(NETWORK, tokens, 3)
    assert row["n"] == 3
    assert 0 < row["projection_ms"] < row["step_ms"]
    assert row["ratio_low"] <= row["ratio"] <= row["ratio_high"]
    assert NETWORK in cost.table_of([row]).columns[0]._cells
