"""A whole search for a device that is not here, with real training on this machine."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent.parent / "search"))

from elsewhere import write_search

import nas_search as package

Cli = Callable[..., Any]
CONFIG = {
    "space": "remote.yaml", "workload": "decode:64", "data": "text.txt", "trials": 3, "tokens": 3 * 1024,
    "lowest_rung": 1024, "confirm_members": 2, "confirm_seeds": 1, "confirm_tokens": 2048, "sampler": "random",
    "recipe": {"sequence_length": 64, "batch": 4, "warmup_tokens": 256, "validation_tokens": 1024},
}  # fmt: skip


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_search(tmp_path, CONFIG)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(("source", "options"), [("table", ["--table", "h100.parquet"]), ("estimate", ["--estimate"])])
def test_it_ends_with_a_winner_whose_latency_says_where_it_is_from(
    nas_search: Cli, files: Path, source: str, options: list[str]
) -> None:
    arguments = ["--config", "config.yaml", "--device", "h100", *options, "--train-device", "cpu", "--run", "run"]
    outcome = nas_search(*arguments, "--json")
    assert outcome.code == 0, outcome.err
    assert "scored as twins" in outcome.err
    assert f"({source})" in outcome.out
    winner = outcome.document["winner"]
    assert outcome.document["predictions"] == source
    assert winner["confirmed"]["latency"] is None
    assert len(winner["confirmed"]["scores"]) == 1
    figure = winner["figures"]["decode:64,dtype=bfloat16"]
    assert figure["measured"] is None and figure["predicted"] > 0
    card = (files / "run" / "winner" / "README.md").read_text(encoding="utf-8")
    assert f"predicted ({source}): not measured" in card
    loaded = package.load(files / "run" / "winner")
    assert loaded.twin_of is not None and loaded.twin_of.notation == winner["architecture"]
    assert loaded.generate_text("the ", new_tokens=4).startswith("the ")
    again = nas_search("resume", "run", "--json")
    assert again.code == 0 and again.document["winner"] == winner
    assert outcome.document["utilisation"]["busy"] > 0
    refused = nas_search("resume", "run", "--ray-address", "auto")
    assert refused.code == 2 and "give executor ray" in refused.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--device", "abacus"], "unknown device 'abacus'"),
        (["--device", "h100"], "--estimate for published rates"),
        (["--device", "a100", "--table", "h100.parquet"], "'a100'"),
        (["--device", "h100", "--table", "missing.parquet"], "missing.parquet"),
        (["--train-device", "abacus"], "train_device"),
        (["--train-device", "cuda", "--device", "h100", "--estimate"], "sees no CUDA device here"),
        (["--device", "h100", "--estimate", "--train-parameters", "1000"], "--train-parameters"),
    ],
)
def test_bad_input_is_one_line(
    nas_search: Cli, files: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    outcome = nas_search("--config", "config.yaml", *options, "--run", "run")
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1 and message in outcome.err
    assert not (files / "run").exists()
