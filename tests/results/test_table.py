"""The front in a terminal."""

import io
from pathlib import Path

import pytest
from rich.console import Console
from study_maker import make_study

from nas_search.results import figures
from nas_search.results.table import front_table
from nas_search.search.study import Study


def printed(study: Study, *, markup: bool = True) -> str:
    stream = io.StringIO()
    Console(file=stream, width=200, markup=markup).print(front_table(study))
    return stream.getvalue()


@pytest.mark.parametrize("markup", [True, False])
def test_brackets_of_architectures_are_shown_as_they_are(
    study: Study, monkeypatch: pytest.MonkeyPatch, markup: bool
) -> None:
    notation = "w64 (swa[window=64] f)x2"
    windowed = [record.model_copy(update={"architecture": notation}) for record in study.front()]
    monkeypatch.setattr(Study, "front", lambda self: windowed)
    assert printed(study, markup=markup).count(f" {notation} ") == len(windowed)


def test_members_stand_with_predicted_and_confirmed_figures(study: Study) -> None:
    text = printed(study)
    for record in study.front():
        assert record.architecture in text
        assert record.confirmed is not None
        assert f"{record.latency_ms:#.4g}" in text
        assert record.confirmed.latency is not None
        assert f"{record.confirmed.latency.value:#.4g}" in text
        assert f"{record.confirmed.bits_per_byte:.4f}" in text
    assert "\x1b" not in text


def test_further_figures_are_measured_or_marked_as_predicted(three: Study) -> None:
    text = printed(three)
    for heading in ("throughput:1024", "tokens/s", "memory:1024", "MiB", "* winner; ≈ predicted (table), not measured"):
        assert text.count(heading) == 1
    for record in three.front():
        row = next(
            line for line in text.splitlines() if line.split()[:1] in ([f"*{record.number}"], [f"{record.number}"])
        )
        for name, predicted in record.figures.items():
            measured = record.measured(name)
            shown = f"≈{figures.significant(predicted)}" if measured is None else figures.significant(measured.value)
            assert f" {shown} " in row


def test_winner_is_marked(study: Study) -> None:
    winner = study.winner()
    assert winner is not None
    row = next(line for line in printed(study).splitlines() if line.split()[:1] == [f"*{winner.number}"])
    assert winner.architecture in row


def test_unconfirmed_and_empty_fronts_say_so(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert "Nothing is confirmed yet" in printed(make_study(tmp_path / "a", proposals=8, confirm=False))
    assert "No trial is on the front" in printed(make_study(tmp_path / "b", proposals=8, limit_ms=0.01))


def test_a_column_of_predictions_says_where_they_are_from(study: Study, remote: Study, tmp_path: Path) -> None:
    estimated = make_study(tmp_path, proposals=8, elsewhere="estimate")
    for found, source in ((study, "table"), (remote, "table"), (estimated, "estimate")):
        assert f"({source})" in printed(found)
    assert "losses are those of twins" in printed(remote)
    assert "twins" not in printed(study)
