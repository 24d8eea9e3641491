"""What is told of one trial, and how it differs from the winner."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.results.report.details import Figure, trial_details
from nas_search.results.report.difference import changes, changes_html
from nas_search.results.view import RunView
from nas_search.search.study import Study
from nas_search.space.architecture import Architecture

codes = st.lists(st.sampled_from(["a", "m2", "d", "f", "swa[window=64]"]), min_size=1, max_size=16)
networks = codes.map(lambda found: Architecture.parse(f"w64 {' '.join(found)}"))


@given(networks, networks)
def test_changes_lead_from_one_to_the_other(before: Architecture, after: Architecture) -> None:
    found = changes(before, after)
    assert [change.operator for change in found if change.kind != "added"] == list(before.operators)
    assert [change.operator for change in found if change.kind != "removed"] == list(after.operators)


def test_changes_in_words() -> None:
    one, other = Architecture.parse("w64 a f m2 f"), Architecture.parse("w64 a f d d f")
    html = changes_html(changes(one, other))
    assert "3 operators in common; removed: 1 m2; added: 2 d." in html
    assert html.count('class="mixer added"') == 2
    assert "The same operators in the same order." in changes_html(changes(one, one))


def test_a_difference_is_a_share_or_a_number() -> None:
    assert Figure("x", 1.1).minus(Figure("x", 1.0)) == "+10.0 %"
    assert Figure("x", 2.5, 4).minus(Figure("x", 2.75, 4)) == "-0.2500"
    assert Figure("x", 12.0, 0).minus(Figure("x", 8.0, 0)) == "+4"


def test_a_trial_stands_beside_the_winner(study: Study) -> None:
    view = RunView.of(study)
    winner = study.winner()
    assert winner is not None
    for record in view.records:
        html = trial_details(view, record)
        assert f"Trial {record.number}: " in html and f"{record.parameters:,}" in html
        assert (f"winner, trial {winner.number}" in html) is (record.number != winner.number)
        for loss in record.rung_scores:
            assert f"{loss:.4f}" in html
        assert ("extrapolated" in html) is record.extrapolated


def test_without_a_winner_the_lowest_loss_is_compared_with(study: Study) -> None:
    from dataclasses import replace

    view = replace(RunView.of(study), winner=None)
    anchor = view.anchor
    assert anchor is not None
    assert anchor.bits_per_byte == min(record.bits_per_byte or 9 for record in view.front)
    other = next(record for record in view.records if record.number != anchor.number)
    assert f"lowest loss, trial {anchor.number}" in trial_details(view, other)


def test_a_twin_is_named(remote: Study) -> None:
    view = RunView.of(remote)
    record = view.records[0]
    assert f"Trained as its twin <code>{record.scored_as}</code>" in trial_details(view, record)


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>"])
def test_reasons_are_escaped(study: Study, hostile: str) -> None:
    view = RunView.of(study)
    record = view.records[0].model_copy(update={"state": "failed", "reason": hostile})
    assert hostile not in trial_details(view, record)
