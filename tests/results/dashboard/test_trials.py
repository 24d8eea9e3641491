"""What the dashboard is told of a run's trials."""

import json
from typing import Any

import pytest
from dashboard_client import ask, detail

from nas_search.results import figures
from nas_search.results.dashboard.app import dashboard_app
from nas_search.results.dashboard.mirror import Mirror
from nas_search.results.dashboard.notes import trial_note
from nas_search.results.view import RunView
from nas_search.search.study import Study
from nas_search.space.architecture import Architecture


@pytest.fixture(scope="module")
def shown(study: Study) -> Any:
    return detail(Mirror(study.run_dir))


@pytest.fixture(scope="module")
def shown_three(three: Study) -> Any:
    return detail(Mirror(three.run_dir))


def note(shown: Any, number: int) -> str:
    body: str = shown["trials"][number]["note"]["body"]
    return body


def attributes(shown: Any, number: int) -> dict[str, str]:
    return {one["key"]: one["value"] for one in shown["trials"][number]["user_attrs"]}


def test_objectives_have_names_units_and_sources(shown: Any, shown_three: Any) -> None:
    assert shown["objective_names"] == ["decode:256, ms/token, predicted (table)", "loss, bits per byte"]
    assert shown_three["objective_names"][2] == "throughput:1024, tokens/s, predicted (table)"
    assert shown_three["directions"] == ["minimize", "minimize", "maximize"]


def test_every_trial_is_there_in_its_state(shown: Any, study: Study) -> None:
    states = {"over_limit": "Pruned", "stopped": "Pruned", "duplicate": "Pruned", "failed": "Fail"}
    for record in study.records():
        trial = shown["trials"][record.number]
        assert trial["number"] == record.number
        assert trial["state"] == states.get(record.state, record.state.capitalize())
        assert trial.get("values") == (
            [record.latency_ms, record.bits_per_byte] if record.state == "complete" else None
        )
        assert {one["name"]: one["param_external_value"] for one in trial["params"]} == {
            name: str(choice) for name, choice in study.genome(record).items()
        }


@pytest.mark.parametrize("which", ["study", "three", "remote"])
def test_its_best_trials_are_our_front(which: str, request: pytest.FixtureRequest) -> None:
    found: Study = request.getfixturevalue(which)
    best = [trial["number"] for trial in detail(Mirror(found.run_dir))["best_trials"]]
    assert best == sorted(record.number for record in found.front())


def test_limits_are_told_as_constraints_columns_and_words(shown_three: Any, three: Study) -> None:
    infeasible = [record for record in three.records() if three.goals.excess(record.figures) > 0]
    assert infeasible
    for record in three.records():
        over = list(three.goals.over(record.figures).values())
        assert shown_three["trials"][record.number]["constraints"] == over
        told = attributes(shown_three, record.number)
        assert float(told["over memory:1024 ≤ 3.000 MiB, %"]) == pytest.approx(100 * over[1], abs=1e-3)
        missed = sum(share > 0 for share in over)
        assert note(shown_three, record.number).count("(infeasible)") == missed


def test_a_note_tells_what_it_is_and_what_was_predicted(shown: Any, study: Study) -> None:
    for record in study.records():
        body, network = note(shown, record.number), Architecture.parse(record.architecture)
        assert f"`{record.architecture}`" in body
        strip = body.split("```")[1].split()
        assert strip == [operator.code for operator in network.operators]
        assert f"{figures.significant(record.latency_ms)} ms/token" in body
        assert f"{record.parameters:,} (counted)" in body


def test_a_confirmed_trial_says_what_was_measured_how_often_and_by_which_kernels(shown: Any, study: Study) -> None:
    winner = study.winner()
    assert winner is not None and winner.confirmed is not None and winner.confirmed.latency is not None
    body, measured = note(shown, winner.number), winner.confirmed.latency
    assert body.startswith("**Complete**: on the front, the winner")
    assert f"{figures.significant(measured.value)} ms/token ({figures.measured_interval(measured)}, wall time)" in body
    assert "n = 41" in body
    assert f"{winner.confirmed.bits_per_byte:.4f} bits per byte at {winner.confirmed.tokens:,} tokens" in body
    assert "mean of 2 seeds" in body
    assert "Kernels that ran: `torch`." in body
    told = attributes(shown, winner.number)
    assert float(told["decode:256, ms/token, measured"]) == measured.value
    assert told["decode:256, n"] == "41"


def test_what_was_not_measured_says_so(shown: Any, study: Study) -> None:
    record = next(record for record in study.records() if record.confirmed is None)
    body = note(shown, record.number)
    assert "| not measured |" in body and "Confirmed" not in body
    assert "Kernels of the latency table: `torch chunked`." in body


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("failed", "**Failed**: `loss not finite <at step 3> & stopped`"),
        ("stopped", "**Stopped**: unlikely to reach the front; loss extrapolated"),
        ("over_limit", "**Over limit**: decode:256 "),
        ("duplicate", "**Duplicate**: the same network as trial "),
    ],
)
def test_a_note_says_why_a_trial_ended(shown: Any, study: Study, state: str, words: str) -> None:
    ended = [record for record in study.records() if record.state == state]
    assert ended
    assert all(note(shown, record.number).startswith(words) for record in ended)


def test_learning_curves_are_intermediate_values_and_a_table(shown: Any, study: Study) -> None:
    record = next(record for record in study.records() if record.state == "complete")
    values = [(one["step"], one["value"]) for one in shown["trials"][record.number]["intermediate_values"]]
    assert values == list(zip(RunView.of(study).ladder.tokens, record.rung_scores, strict=False))
    assert f"| 21,845 | {record.rung_scores[0]:.4f} |" in note(shown, record.number)


def test_twins_are_named(remote: Study) -> None:
    shown = detail(Mirror(remote.run_dir))
    for record in remote.records():
        assert f"Trained as its twin, `{record.scored_as}`" in note(shown, record.number)


def test_nothing_in_a_string_acts(study: Study) -> None:
    view = RunView.of(study)
    failed = next(record for record in view.records if record.state == "failed")
    hostile = "` ![x](http://example.com/x.png) |\n\n# <script>alert(1)</script> `"
    first = trial_note(failed.model_copy(update={"reason": hostile}), view).splitlines()[0]
    assert first.startswith("**Failed**: `") and first.endswith("'`")
    assert first.count("`") == 2


def test_trials_come_in_part_as_the_page_asks_for_them(study: Study) -> None:
    app = dashboard_app(Mirror(study.run_dir))
    last = ask(app, "/api/studies/0?after=38").json["trials"]
    assert [trial["number"] for trial in last] == [38, 39]
    assert all(trial["note"]["body"] for trial in last)
    assert json.dumps(last)
