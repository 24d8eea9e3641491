"""What a search of two stages says of its depth and width."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas_search.cli.search import configuration
from nas_search.search.chosen_shape import ChosenShape
from nas_search.search.study import Study

sys.path.insert(0, str(Path(__file__).parents[1] / "results"))
from study_maker import make_study

Cli = Callable[..., Any]

SHAPE = ChosenShape.model_validate({
    "depth": 8, "width": 128, "architecture": "w128 (a f)x4", "latency": 0.61, "budget": 1.0, "unit": "ms/token",
    "loss": 2.5, "loss_low": 2.4, "loss_high": 2.6, "loss_name": "bits per byte", "tokens": 65536.0,
    "extrapolated": True, "best_share": 0.9, "candidates": 30, "within": 17, "source": "law.csv", "rows": 16,
    "held_out": [{"rule": "the largest", "fitted": 12, "error": {"n": 4, "mean": 0.031, "greatest": 0.05}},
                 {"rule": "the longest", "fitted": 2, "error": None}],
})  # fmt: skip
SAID = (
    "depth at most 8 and width 128 come from a scaling law",
    "w128 (a f)x4, 0.61 of at most 1 ms/token: bits per byte 2.5000 [2.4000, 2.6000] predicted after 65,536 tokens, "
    "outside of the law's data, the lowest of 17 shapes within the budget (of 30) by 90% of the law's resamples",
    "law of law.csv (16 losses); error held out: the largest: mean 3.1%, at most 5.0% (n = 4)",
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    make_study(tmp_path, shape=SHAPE)
    return tmp_path


def test_a_front_says_it(nas_search: Cli, run: Path) -> None:
    assert SHAPE.facts == SAID
    outcome = nas_search("front", run)
    assert outcome.code == 0
    assert " ".join(SAID) in " ".join(outcome.out.split())
    document = nas_search("front", run, "--json").document
    assert ChosenShape.model_validate(document["shape"]) == SHAPE


def test_a_report_says_it(nas_search: Cli, run: Path) -> None:
    assert nas_search("report", run).code == 0
    page = (run / "report.html").read_text()
    assert SAID[0] in page and "mean 3.1%, at most 5.0% (n = 4)" in page
    assert Study.open(run).space.widths == (128,)


def test_a_search_of_one_stage_says_nothing(nas_search: Cli, tmp_path: Path) -> None:
    make_study(tmp_path)
    assert "scaling law" not in nas_search("front", tmp_path).out
    assert nas_search("front", tmp_path, "--json").document["shape"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--two-stage"], "two_stage: depth and width are chosen for a latency; give latency_budget"),
        (["--law", "none.json", "--latency-budget", "1ms"], "none.json: cannot be read"),
        (["--law", "{run}", "--latency-budget", "1ms"], "width is the same in every row, so it cannot be chosen"),
    ],
)
def test_bad_input(nas_search: Cli, run: Path, tmp_path: Path, options: list[str], message: str) -> None:
    given = [option.format(run=run) for option in options]
    outcome = nas_search(*given, "--run", tmp_path / "new")
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert message in outcome.err
    assert not (tmp_path / "new").exists()


def test_options_add_to_a_file(tmp_path: Path) -> None:
    file = tmp_path / "search.yaml"
    file.write_text("latency_budget: 1ms\ntwo_stage: {block: m2 f}\n")
    both = configuration(file, {"two_stage": {"law": Path("law.json")}}).two_stage
    assert both is not None and (both.block, both.law) == ("m2 f", Path("law.json"))
    assert configuration(file, {"two_stage": None}).two_stage == both.model_copy(update={"law": None})
    assert configuration(file, {"two_stage": {}}).two_stage == both.model_copy(update={"law": None})
