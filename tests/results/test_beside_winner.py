"""What the end of a search says of the knee of its front."""

from pathlib import Path

import pytest
from study_maker import make_study

from nas_search.results.beside_winner import beside_winner
from nas_search.results.export.pick import parse_pick
from nas_search.search.study import Study


@pytest.fixture(scope="module")
def unlimited(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_study(tmp_path_factory.mktemp("unlimited run"), limit_ms=None)


def test_the_knee_is_held_against_the_winner(unlimited: Study) -> None:
    winner, knee = unlimited.winner(), parse_pick("knee")(unlimited)
    assert winner is not None and winner.number != knee.number
    assert winner.confirmed is not None and winner.confirmed.latency is not None
    assert knee.confirmed is not None and knee.confirmed.latency is not None
    ratio = winner.confirmed.latency.value / knee.confirmed.latency.value
    more = knee.confirmed.bits_per_byte - winner.confirmed.bits_per_byte
    assert ratio > 1 and more > 0
    assert beside_winner(unlimited) == (
        f"The winner has the lowest loss. Trial {knee.number}, the knee of the front, is measured to be {ratio:.2f} "
        f"times as fast and has {more:.4f} bits/byte more: nas-search export '{unlimited.run_dir}' --pick knee"
    )


def test_nothing_is_said_where_a_budget_chose(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    assert study.winner() is not None
    assert beside_winner(study) is None


def test_nothing_is_said_before_confirmation(tmp_path: Path) -> None:
    assert beside_winner(make_study(tmp_path, limit_ms=None, confirm=False)) is None


def test_nothing_is_said_of_what_was_not_measured(tmp_path: Path) -> None:
    study = make_study(tmp_path, limit_ms=None, elsewhere="table")
    assert study.winner() is not None
    assert beside_winner(study) is None


def test_nothing_is_said_where_the_winner_is_the_knee(unlimited: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Study, "winner", parse_pick("knee"))
    assert beside_winner(unlimited) is None
