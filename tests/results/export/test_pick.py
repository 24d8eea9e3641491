"""Which trial is meant, and what is said where there is none such."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from study_maker import make_study

from nas_search.errors import InputError
from nas_search.results.export.pick import knee, parse_pick
from nas_search.search.choice import confirmed_figures
from nas_search.search.front import nondominated
from nas_search.search.study import Study
from nas_search.search.trial import TrialRecord

COORDINATE = st.floats(0, 1e3, allow_nan=False).map(lambda value: round(value, 3))


def pick(run: Path, text: str) -> TrialRecord:
    return parse_pick(text)(Study.open(run))


def test_winner(kept_run: Path) -> None:
    winner = Study.open(kept_run).winner()
    assert pick(kept_run, "winner") == winner


def test_trial_by_the_number_that_reports_show(kept_run: Path) -> None:
    assert pick(kept_run, "trial=17").number == 17


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(1.0, 5.0)], 0),
        ([(1.0, 5.0), (2.0, 3.0)], 1),
        ([(0.0, 1.0), (0.2, 0.3), (1.0, 0.0)], 1),
        ([(0.0, 1.0), (0.8, 0.9), (1.0, 0.0)], 2),  # above the line: no knee
        ([(0.0, 10.0), (0.1, 5.0), (0.5, 1.0), (1.0, 0.0)], 2),  # a tie
        ([(0.0, 10.0), (0.1, 5.0), (0.3, 2.0), (1.0, 0.0)], 2),
        ([(5.0, 2.0), (5.0, 2.0)], 0),
    ],
)
def test_knee_is_farthest_below_the_line_between_the_ends(points: list[tuple[float, float]], expected: int) -> None:
    assert knee(points) == expected


@given(st.lists(st.tuples(COORDINATE, COORDINATE), min_size=1, max_size=12, unique=True))
def test_knee_is_as_far_as_any_whatever_the_units(points: list[tuple[float, float]]) -> None:
    front = [points[index] for index in nondominated(points)]
    found = knee(front)
    assert knee([(64 * x, y / 8) for x, y in front]) == found
    (x0, y0), (x1, y1) = front[0], front[-1]
    if len(front) > 1:  # twice the area of the triangle with both ends is the distance times their distance
        areas = [(x1 - x0) * (y0 - y) - (x - x0) * (y0 - y1) for x, y in front]
        assert areas[found] == pytest.approx(max(areas), abs=1e-6 * (x1 - x0) * (y0 - y1) + 1e-12)


def test_knee_of_a_run_is_by_confirmed_figures(kept_run: Path) -> None:
    study, found = Study.open(kept_run), pick(kept_run, "knee")
    front = study.confirmed_front()
    assert found in front
    points = [(confirmed_figures(r)[study.goals.main.name], r.confirmed.bits_per_byte) for r in front if r.confirmed]
    assert found == front[knee(points)]
    assert found not in (front[0], front[-1])


def test_knee_of_a_run_without_confirmation_is_by_predicted_figures(unfinished_run: Path) -> None:
    found = pick(unfinished_run, "knee")
    assert found.confirmed is None
    assert found.number in [record.number for record in Study.open(unfinished_run).front()]


def test_budget_takes_the_lowest_loss_within_it_by_measured_latency(kept_run: Path) -> None:
    study = Study.open(kept_run)
    front = study.confirmed_front()
    losses = [record.confirmed.bits_per_byte for record in front if record.confirmed]
    assert losses == sorted(losses, reverse=True)
    for record in front:
        latency_ms = confirmed_figures(record)[study.goals.main.name]
        assert pick(kept_run, f"budget={latency_ms + 1e-6:.7f}ms").number == record.number
        assert pick(kept_run, f"budget={(latency_ms + 1e-6) * 1e3:.4f}us").number == record.number
    assert pick(kept_run, "budget=1s").number == front[-1].number


def test_budget_stands_in_place_of_the_search_s_own_limit(tmp_path: Path) -> None:
    run = make_study(tmp_path, limit_ms=0.26).run_dir
    slowest = Study.open(run).confirmed_front()[-1]
    assert confirmed_figures(slowest)["decode:256"] > 0.26  # measured, it misses the limit
    assert pick(run, "budget=1s") == slowest
    assert pick(run, "winner") != slowest


def test_budget_falls_back_on_what_is_only_predicted(unfinished_run: Path) -> None:
    front = Study.open(unfinished_run).front()
    assert pick(unfinished_run, "budget=1s") == front[-1]
    assert pick(unfinished_run, f"budget={front[0].latency_ms + 1e-6:.7f}ms") == front[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("best", "pick 'best': not one of winner, knee, budget=12ms or trial=17"),
        ("", "pick ''"),
        ("knee=3", "pick 'knee=3'"),
        ("trial", "pick 'trial'"),
        ("trial=", "pick 'trial='"),
        ("trial=-1", "pick 'trial=-1'"),
        ("trial=seven", "pick 'trial=seven'"),
        ("trial=9999999999999999999999", "pick 'trial=9"),
        ("budget=", "pick 'budget='"),
        ("budget=0ms", "greater than zero"),
        ("budget=12 parsecs", "latency budget '12 parsecs'"),
        ("trial=400", "no trial 400; there are 0 to 39"),
        (
            "budget=1us",
            "no member of the front is within 0.001000 ms/token; the fastest is trial 32 with 0.1156 ms/token",
        ),
        ("budget=w64 a f", "latency"),
    ],
)
def test_bad_picks_are_one_line(kept_run: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        pick(kept_run, text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_run_without_feasible_trial_has_nothing_to_pick(hopeless_run: Path) -> None:
    for text in ("winner", "knee", "budget=1s"):
        with pytest.raises(InputError, match="none of 8 proposals is within the limits"):
            pick(hopeless_run, text)
    assert pick(hopeless_run, "trial=3").state == "over_limit"


def test_a_run_that_has_not_begun_has_nothing_to_pick(tmp_path: Path) -> None:
    run = make_study(tmp_path, proposals=0, unfinished=True).run_dir
    with pytest.raises(InputError, match=r"there is no proposal yet, so there is nothing to pick$"):
        pick(run, "knee")


def test_an_unfinished_run_has_no_winner(unfinished_run: Path) -> None:
    with pytest.raises(InputError, match="no trial is confirmed, so there is no winner yet; 'nas-search resume"):
        pick(unfinished_run, "winner")


def test_a_run_that_confirms_nothing_is_not_to_be_resumed(tmp_path: Path) -> None:
    run = make_study(tmp_path, confirm=False, confirm_members=0).run_dir
    with pytest.raises(InputError, match="no winner yet; or pick knee"):
        pick(run, "winner")
