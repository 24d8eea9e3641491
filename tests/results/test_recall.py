"""Recall in everything that shows a study: report, card, dashboard, figures, limits."""

from pathlib import Path
from typing import Any

import pytest
from study_maker import make_study

from nas_search.results.card import winner_card
from nas_search.results.dashboard.notes import trial_note
from nas_search.results.dashboard.pictures import run_pictures
from nas_search.results.dashboard.trials import shown_trial
from nas_search.results.front_view import FrontView
from nas_search.results.limits import limits_of
from nas_search.results.outcomes import outcome_reason
from nas_search.results.plots import front_figure
from nas_search.results.report.details import trial_details
from nas_search.results.report.write import report_html
from nas_search.results.view import RunView
from nas_search.search.samplers.base import distributions
from nas_search.search.study import Study

FIELDS: dict[str, Any] = {
    "objectives": ("loss", "recall"),
    "limits": ("recall>=0.4",),
    "columns": ("needle:128",),
    "recall": {"seeds": 2, "steps": 250},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_study(tmp_path_factory.mktemp("recall"), **FIELDS)


@pytest.fixture(scope="module")
def view(study: Study) -> RunView:
    return RunView.of(study)


@pytest.fixture(scope="module")
def page(view: RunView) -> str:
    return report_html(view)


def test_the_study_has_trials_of_every_kind(study: Study) -> None:
    states = {record.state for record in study.records()}
    assert states >= {"complete", "stopped", "below_limit", "over_limit", "duplicate", "failed"}
    assert study.winner() is not None and study.winner().confirmed.recalls.keys() == {"recall", "needle:128"}


def test_the_report_shows_recall_searched_and_confirmed(page: str, study: Study) -> None:
    winner = study.winner()
    confirmed = winner.confirmed_recall("recall")
    assert f"{100 * confirmed.mean:.1f} % ({', '.join(f'{100 * one:.1f}' for one in confirmed.accuracies)})" in page
    assert "recall, answers right" in page and "needle:128, answers right" in page
    assert "recall (4 pairs in 24 tokens), needle:128 (1 pair in 128 tokens): 250 steps on each task alone" in page
    assert "recall ≥ 40.0 %" in page
    assert "below limit" in page
    assert 'id="front-figure-1"' in page


def test_a_trial_below_a_limit_says_by_how_much(view: RunView) -> None:
    below = next(record for record in view.records if record.state == "below_limit")
    share = 100 * (0.4 - below.figures["recall"]) / 0.4
    assert outcome_reason(below, view) == f"recall {share:.1f} % under"
    assert f"{100 * below.figures['recall']:.1f}" in trial_details(view, below)


def test_the_card_has_confirmed_recall(study: Study) -> None:
    winner = study.winner()
    card = winner_card(study, winner, winner.confirmed, "runs/x/winner")
    assert "| recall | " in card and "| needle:128 | " in card
    assert "of answers right after 250 steps on the task alone, mean of 2 seeds" in card


def test_recall_is_drawn_on_a_linear_axis_best_on_the_left(view: RunView) -> None:
    quantity = view.goals.objectives[2]
    plane = FrontView.of(view.records, view.front, quantity, view.table.source, 0.4)
    figure = front_figure(plane)
    left, right = figure.layout.xaxis.range
    drawn = [x for trace in figure.data for x in trace.x if x is not None]
    assert right < min(drawn) and max(drawn) < left
    assert (
        figure.layout.xaxis.type is None
        and figure.layout.xaxis.title.text == "recall, answers right (higher is better)"
    )
    assert figure.layout.annotations[0].x == 0.4
    untrained = {record.number for record in view.records if record.state == "over_limit"}
    assert untrained and not untrained & {n for trace in figure.data for n in (trace.customdata or ())}


def test_pictures_of_the_dashboard_have_the_plane(view: RunView) -> None:
    assert run_pictures(view).keys() >= {"front", "front-1"}


def test_notes_of_the_dashboard(view: RunView) -> None:
    records = {record.state: record for record in view.records}
    below, over = trial_note(records["below_limit"], view), trial_note(records["over_limit"], view)
    assert "of answers right, searched." in below and "(infeasible), as trained." in below
    assert "Limit recall ≥ 40.0 %: not trained on it." in over
    winner = trial_note(view.winner, view)
    assert "of answers right, confirmed with other seeds." in winner and "needle:128: " in winner


def test_every_trial_is_shown_in_the_dashboard(view: RunView, study: Study) -> None:
    genes = distributions(study.space.genes)
    for record in view.records:
        shown = shown_trial(record, view, genes, {})
        assert ("recall, % of answers right" in shown.user_attrs) == bool(record.recalls)
        if record.state == "complete":
            assert shown.values[2] == record.figures["recall"]


def test_what_recall_does_not_show_is_said(view: RunView, tmp_path: Path) -> None:
    (sentence,) = [one for one in limits_of(view) if one.startswith("Recall (recall, needle:128)")]
    assert "250 steps" in sentence
    plain = RunView.of(make_study(tmp_path))
    assert not [one for one in limits_of(plain) if "Recall" in one]


def test_nothing_of_it_where_it_was_not_asked(tmp_path: Path) -> None:
    page = report_html(RunView.of(make_study(tmp_path)))
    body = page[page.index("<main") : page.index("</main>")]
    assert "recall" not in body.lower()
