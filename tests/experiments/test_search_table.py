"""Replays of rungs, on a made-up table in the place of the recorded one."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).parents[2] / "experiments" / "search-table"
ROWS = 60


@pytest.fixture
def replays(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("replays")


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("rules")


@pytest.fixture
def table(tmp_path: Path, replays: ModuleType) -> Path:
    """Losses that fall with tokens and latency, and with chance."""
    rng = np.random.default_rng(0)
    features = pd.DataFrame(rng.standard_normal((ROWS, len(replays.FEATURES))), columns=list(replays.FEATURES))
    latency = rng.uniform(0.1, 2.0, ROWS)
    losses = 4.0 - 0.4 * np.log(latency) + rng.uniform(0.0, 1.0, ROWS)
    columns: dict[str, object] = {"gene": range(ROWS), "architecture": "w64 a", "parameters": 1000}
    for tokens in replays.TOKENS:
        columns[f"bits_per_byte_{tokens}"] = losses * (tokens / replays.TOKENS[0]) ** -0.12
        columns[f"seconds_{tokens}"] = tokens / 1000
    path = tmp_path / "table.csv"
    pd.DataFrame(columns | {"latency_ms": latency}).join(features).to_csv(path, index=False)
    return path


def test_training_is_counted_with_every_branch(table: Path, replays: ModuleType, rules: ModuleType) -> None:
    recorded = replays.Recorded.load(table, "latency_ms")
    everything = replays.replay(recorded, lambda ladder, seed: rules.Everything(), seed=0)
    assert everything.hypervolume == everything.found == 1
    assert everything.tokens == pytest.approx(1 + 0.1 * sum(replays.TOKENS[:-1]) / replays.TOKENS[-1])
    assert everything.seconds == pytest.approx(everything.tokens)
    top = recorded.on(replays.TOKENS[-1:])
    assert replays.replay(top, lambda ladder, seed: rules.Everything(), seed=0).tokens == pytest.approx(1)


def test_rules_by_known_curves(table: Path, replays: ModuleType, rules: ModuleType) -> None:
    """Where lower rungs rank exactly, what is beaten there is never on the front."""
    recorded = replays.Recorded.load(table, "latency_ms")
    ours, margin, halving = (
        replays.replay(recorded, rule, seed=1)
        for rule in (
            lambda ladder, seed: rules.Promising(ladder.work(0.1), len(replays.FEATURES), seed),
            lambda ladder, seed: rules.Margin(ladder.tokens, seed),
            lambda ladder, seed: rules.Halving(len(ladder.tokens)),
        )
    )
    assert ours.hypervolume > 0.99 and margin.hypervolume == 1
    assert ours.tokens < margin.tokens < 1
    assert list(halving.on_rungs) == sorted(halving.on_rungs, reverse=True) and halving.on_rungs[1] < ROWS / 2
    assert ours.error < margin.error
    assert 0.8 < ours.covered <= 1


def test_the_script_ends_with_json(table: Path) -> None:
    arguments = ["--table", table, "--seeds", "2", "--trials", "12"]
    command = [sys.executable, FOLDER / "rungs.py", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    document = json.loads(done.stdout.splitlines()[-1])
    assert document["ranks"]["14563"] == {"overall": pytest.approx(1), "within": pytest.approx(1)}
    assert document["engine"]["random, 12 trials, top rung alone"]["tokens"]["mean"] == pytest.approx(1)
    assert document["rules"]["ours"]["tokens"]["high"] < 1
