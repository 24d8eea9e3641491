"""A search with recall in which networks really train on it, in real workers."""

from pathlib import Path

import pytest
from search_fakes import TEXT, Recorder
from test_end_to_end import SPACE, quick

from nas_search.proxies.recall import measure_recall
from nas_search.proxies.recall_tasks import parse_task
from nas_search.search.config import SearchConfig
from nas_search.search.run import run_search
from nas_search.space.architecture import Architecture

pytestmark = pytest.mark.slow


def test_recall_is_what_the_command_measures(tmp_path: Path, text_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(text_cache))
    (tmp_path / "tiny.yaml").write_text(SPACE)
    (tmp_path / "text.txt").write_text("".join(f"{i} {TEXT}" for i in range(600)))
    config = SearchConfig.checked(
        {
            "space": str(tmp_path / "tiny.yaml"),
            "data": str(tmp_path / "text.txt"),
            "workload": "decode:16",
            "objectives": ("loss", "recall"),
            "columns": ("needle:16",),
            "recall": {"steps": 20, "pairs": 2},
            "trials": 2,
            "tokens": 2048,
            "lowest_rung": 2048,
            "workers": 2,
            "confirm_members": 1,
            "confirm_seeds": 1,
            "recipe": {"sequence_length": 64, "batch": 4, "warmup_tokens": 512, "validation_tokens": 1024},
        }
    )
    study = run_search(config, tmp_path / "run", Recorder(), make_executor=quick)
    for record in study.records():
        network = Architecture.parse(record.architecture)
        assert record.figures["recall"] == measure_recall(network, parse_task("recall", 2), steps=20, seeds=(0,)).mean
    winner = study.winner()
    assert winner is not None
    needle = measure_recall(Architecture.parse(winner.architecture), parse_task("needle:16"), steps=20, seeds=(1,))
    score = winner.confirmed_recall("needle:16")
    assert score is not None and score.accuracies == needle.accuracies
    assert study.seconds["recall"] > 0
