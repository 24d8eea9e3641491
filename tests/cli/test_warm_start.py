"""Two searches for two devices, with real training here: the second takes over what the first has trained."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent.parent / "search"))

from elsewhere import write_search

from nas_search.search.samplers import factory

Cli = Callable[..., Any]
CONFIG = {
    "space": "remote.yaml", "workload": "decode:64", "data": "text.txt", "trials": 2, "tokens": 1024,
    "lowest_rung": 1024, "confirm_members": 0, "workers": 1, "sampler": "random", "train_device": "cpu",
    "recipe": {"sequence_length": 64, "batch": 4, "warmup_tokens": 256, "validation_tokens": 1024},
}  # fmt: skip


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(factory, "WARM_SAMPLERS", frozenset({"random"}))
    write_search(tmp_path, CONFIG)
    return tmp_path


@pytest.mark.slow
def test_the_second_device_takes_over_what_was_trained_for_the_first(nas_search: Cli, files: Path) -> None:
    first = nas_search("--config", "config.yaml", "--device", "h100", "--table", "h100.parquet", "--run", "a", "--json")
    assert first.code == 0, first.err
    assert first.document["warm_start"] == []
    options = ["--device", "rtx4090", "--estimate", "--warm-start", "a", "--run", "b"]
    second = nas_search("--config", "config.yaml", *options, "--json")
    assert second.code == 0, second.err
    assert "warm start: 2 trials of a (same score)\n" in second.err
    assert "warm start: 2 of 4 candidates took no training here\n" in second.err
    assert second.document["warm_start"] == [{"run": "a", "same_score": True, "trials": 2, "not_in_space": 0}]
    losses = {trial["fingerprint"]: trial["bits_per_byte"] for trial in first.document["trials"]}
    reused = [trial for trial in second.document["trials"] if trial["reused"]]
    assert {trial["fingerprint"]: trial["bits_per_byte"] for trial in reused} == losses
    assert all(trial["seconds"] == 0.0 for trial in reused)
    assert all(trial["seconds"] > 0.0 for trial in second.document["trials"] if not trial["reused"])
    report = (files / "b" / "report.html").read_text(encoding="utf-8")
    assert "2 trained, 2 trained in a run that this one was warm-started from" in report
    again = nas_search("resume", "b", "--json")
    assert again.code == 0 and again.document["trials"] == second.document["trials"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--warm-start", "nowhere"], "nowhere: not a run directory"),
        (["--warm-start", "run"], "this is the run itself"),
        (["--warm-start", "a", "--warm-start", "a"], "give each run once"),
        (["--warm-start", "nowhere", "--sampler", "nsga2"], "sampler nsga2: it learns nothing from other runs"),
    ],
)
def test_bad_input_is_one_line(nas_search: Cli, files: Path, options: list[str], message: str) -> None:
    outcome = nas_search("--config", "config.yaml", "--device", "h100", "--estimate", *options, "--run", "run")
    assert outcome.code == 2
    assert message in outcome.err.splitlines()[-1]
    assert "Traceback" not in outcome.err
    assert not (files / "run").exists()
