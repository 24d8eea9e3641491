"""Runs held against each other: what compares, what does not, and at which cost."""

from pathlib import Path

import pytest
from study_maker import make_study

from nas_search.errors import InputError
from nas_search.results.compare_runs import SECONDS, TOKENS, Cost, Run, RunComparison
from nas_search.results.compare_runs_page import comparison_html, comparison_rows, fronts_figure, hypervolume_figure
from nas_search.search.front import hypervolume
from nas_search.search.study import Study


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A shorter search with the same question."""
    return make_study(tmp_path_factory.mktemp("small"), proposals=14, confirm=False)


@pytest.fixture(scope="module")
def comparison(study: Study, small: Study) -> RunComparison:
    return RunComparison.of([Run("long", study), Run("short", small)])


def made(folder: Path, **fields: object) -> Run:
    folder.mkdir()
    return Run(folder.name, make_study(folder, proposals=8, confirm=False, **fields))


def test_the_common_reference_is_the_worst_of_all(comparison: RunComparison, study: Study, small: Study) -> None:
    assert comparison.same_device
    assert comparison.reference == tuple(map(max, zip(study.reference(), small.reference(), strict=True)))
    for run in comparison.runs:
        points = [run.study.goals.point(record) for record in run.front]
        assert comparison.at_end(run) == pytest.approx(hypervolume(points, comparison.reference))


@pytest.mark.parametrize("cost", [TOKENS, SECONDS])
def test_at_equal_cost_the_cheaper_run_has_all_it_has(comparison: RunComparison, cost: Cost) -> None:
    long, short = comparison.runs
    assert comparison.equal_cost(cost) == cost.of(comparison.steps["short"][-1]) < cost.of(comparison.steps["long"][-1])
    assert comparison.at(short, cost) == comparison.at_end(short)
    assert 0 < comparison.at(long, cost) <= comparison.at_end(long)


def test_tokens_are_those_of_the_rungs_that_were_done(comparison: RunComparison, small: Study) -> None:
    run = comparison.runs[1]
    expected = sum(sum(run.work[: len(record.rung_scores)]) for record in small.records() if record.trained)
    assert comparison.steps["short"][-1].tokens == pytest.approx(expected)


def test_pictures_and_tables_have_every_run(comparison: RunComparison) -> None:
    assert [trace.name for trace in fronts_figure(comparison).data] == ["long", "short"]
    assert len(hypervolume_figure(comparison).data) == 4
    heads, rows = comparison_rows(comparison)
    assert "hypervolume" in heads and [row[0] for row in rows] == ["long", "short"]
    html = comparison_html(comparison)
    for run in comparison.runs:
        for record in run.front:
            assert f"<code>{record.architecture}</code>" in html
    assert html.count("data-picture") >= 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"corpus": "other"}, "text \\(corpus hash\\) c0ffeec0ffee against other"),
        ({"objectives": ["loss", "throughput:1024"]}, "objectives decode:256, loss against decode:256, loss, through"),
        ({"tokens": 65_536}, "tokens of the top rung 196608 against 65536"),
        ({"tokenizer": "bpe:512"}, "tokenizer bytes against bpe:512"),
        ({"recipe": {"learning_rate": 0.01}}, "training recipe"),
    ],
)
def test_what_does_not_compare_is_one_line(small: Study, tmp_path: Path, fields: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        RunComparison.of([Run("one", small), made(tmp_path / "other", **fields)])
    assert "\n" not in str(caught.value)


def test_two_different_runs_are_needed(small: Study) -> None:
    with pytest.raises(InputError, match="two runs or more"):
        RunComparison.of([Run("one", small)])
    with pytest.raises(InputError, match="again: given twice"):
        RunComparison.of([Run("again", small), Run("again", small)])


def test_other_devices_leave_only_losses(small: Study, tmp_path: Path) -> None:
    found = RunComparison.of([Run("here", small), made(tmp_path / "there", elsewhere="table")])
    assert not found.same_device
    assert any("only losses do" in warning for warning in found.warnings)
    heads, _ = comparison_rows(found)
    assert "hypervolume" not in heads and "lowest bits per byte" in heads
    html = comparison_html(found)
    assert "Hypervolume at equal cost" not in html and "each on its device" in str(fronts_figure(found).layout)


def test_other_limits_and_unfinished_runs_are_told(small: Study, tmp_path: Path) -> None:
    runs = [Run("one", small), made(tmp_path / "other", limit_ms=None), made(tmp_path / "half", unfinished=True)]
    warnings = "\n".join(RunComparison.of(runs).warnings)
    assert "limits differ (one: decode:256<=1ms; other: none" in warnings
    assert "half: still running, or unfinished" in warnings


def test_runs_without_any_front_compare_too(tmp_path: Path) -> None:
    found = RunComparison.of([made(tmp_path / "a", limit_ms=0.01), made(tmp_path / "b", limit_ms=0.01)])
    assert comparison_rows(found)[1][0][-1] == "0.000"
    assert "No run has a trial on its front." in comparison_html(found)
