"""Objectives and limits on the command line: bad ones end in one line, good ones reach the configuration."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas_search.search.config import SearchConfig

Cli = Callable[..., Any]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--objective", "memory:64"], "objectives memory:64: loss must be one of them"),
        (["--objective", "loss", "--objective", "speed"], "objective 'speed': 'speed' is neither loss nor parameters"),
        (["--limit", "throughput:64<=5"], "limit 'throughput:64<=5': write throughput:64>=5"),
        (["--limit", "memory:64<=5ms"], "limit 'memory:64<=5ms': unit 'ms' is not one of memory:64"),
        (["--limit", "decode:256<=1ms", "--latency-budget", "3x"], "limit decode:256: given twice"),
        (["--column", "memory:64"], "column 'memory:64': not one of recall, needle:LENGTH"),
        (["--column", "recall", "--column", "recall"], "column recall: given twice"),
        (["--limit", "recall<=0.5"], "limit 'recall<=0.5': write recall>=0.5"),
        (["--objective", "recall"], "objectives recall: loss must be one of them"),
        (["--workload", "throughput:64"], "workload 'throughput:64': a search is about a latency"),
    ],
)
def test_what_makes_no_sense_ends_in_one_line(
    nas_search: Cli, tmp_path: Path, options: list[str], message: str
) -> None:
    outcome = nas_search(*options, "--run", tmp_path / "run")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"nas-search: {message}")
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_options_win_over_a_file_and_may_be_repeated(
    nas_search: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[SearchConfig] = []

    def remember(config: SearchConfig, *arguments: Any) -> None:
        asked.append(config)
        raise KeyboardInterrupt

    monkeypatch.setattr("nas_search.api.run_study", remember)
    path = tmp_path / "search.yaml"
    path.write_text("objectives: [loss, parameters]\nlimits: ['parameters<=1M']\n")
    options = ("--objective", "loss", "--objective", "memory:1024", "--column", "recall", "--column", "needle:512")
    nas_search("--config", path, *options, "--run", tmp_path / "run")
    assert asked[0].objectives == ("loss", "memory:1024")
    assert asked[0].limits == ("parameters<=1M",)
    assert asked[0].columns == ("recall", "needle:512")
