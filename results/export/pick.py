"""Which trial of a run is meant: the winner, the knee of the front, the best within a budget, or one by its number.

Confirmed trials are compared with each other by confirmed figures. Only where none will do are those of the searched
front considered, by predicted figures: losses after different trainings do not compare.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from nas_search.errors import InputError
from nas_search.results import figures

if TYPE_CHECKING:
    from nas_search.search.front import Point
    from nas_search.search.goals import Goals
    from nas_search.search.study import Study
    from nas_search.search.trial import TrialRecord

FORMS = "winner, knee, budget=12ms or trial=17"
WINNER = "winner"
_TRIAL = re.compile(r"[0-9]{1,9}")

Pick = Callable[["Study"], "TrialRecord"]
"""Chooses a trial of a study. Raises InputError if there is none such."""


def parse_pick(text: str) -> Pick:
    """Read one of FORMS. Raises InputError."""
    name, _, value = text.strip().partition("=")
    if name == "trial" and _TRIAL.fullmatch(value):
        return partial(_numbered, number=int(value))
    if name == "budget" and value:
        from nas_search.search.budget import parse_budget

        parse_budget(value)
        return partial(_within, budget=value)
    plain: dict[str, Pick] = {WINNER: _winner, "knee": _knee}
    if text.strip() in plain:
        return plain[text.strip()]
    raise InputError(f"pick '{text}': not one of {FORMS}")


def knee(points: Sequence[Point]) -> int:
    """Index of the point of a front, sorted by its first coordinate, that bends it most.

    That is the point farthest below the straight line between the two ends, after the first coordinate (latency) and
    the second (loss) are scaled so that the ends are at (0, 1) and (1, 0). Further objectives do not count. Of equal
    points, and so of a front of two, the one with the lower loss.
    """
    from nas_search.search.front import LOSS_COORDINATE

    (fast, high), (slow, low) = (point[:2] for point in (points[0], min(points, key=lambda p: p[LOSS_COORDINATE])))

    def place(point: Point) -> tuple[float, float]:
        along = (point[0] - fast) / (slow - fast) if slow > fast else 0.0
        above = (point[1] - low) / (high - low) if high > low else 0.0
        return along + above, point[1]

    return min(range(len(points)), key=lambda index: place(points[index]))


def _winner(study: Study) -> TrialRecord:
    winner = study.winner()
    if winner is None:
        _front(study)
        goes_on = f"'nas-search resume {study.run_dir}' confirms; " if study.config.confirm_members else ""
        raise InputError(
            f"{study.run_dir}: no trial is confirmed, so there is no winner yet; {goes_on}or pick knee, budget=12ms or "
            f"trial=N by predicted figures"
        )
    return winner


def _knee(study: Study) -> TrialRecord:
    from nas_search.search.choice import confirmed_point

    goals, confirmed = study.goals, study.confirmed_front()
    members = confirmed or _front(study)
    point = partial(confirmed_point, goals=goals) if confirmed else goals.point
    return members[knee([point(member) for member in members])]


def _within(study: Study, budget: str) -> TrialRecord:
    from nas_search.search.choice import choose_winner, confirmed_figures

    limit_ms = _milliseconds(study, budget)
    name = study.goals.main.name
    confirmed = [record for record in study.records() if record.confirmed is not None]
    kept = [record for record in confirmed if confirmed_figures(record)[name] <= limit_ms]
    chosen = choose_winner(kept, _with_budget(study.goals, limit_ms))
    if chosen is not None:
        return chosen
    front = [record for record in _front(study) if record.confirmed is None]
    predicted = [record for record in front if record.figures[name] <= limit_ms]
    if predicted:
        return min(predicted, key=lambda record: study.goals.point(record)[1])
    raise InputError(_nothing_within(study, limit_ms, [*confirmed, *front]))


def _numbered(study: Study, number: int) -> TrialRecord:
    records = {record.number: record for record in study.records()}
    if number not in records:
        there = f"there are {min(records)} to {max(records)}" if records else "there is none"
        raise InputError(f"{study.run_dir}: no trial {number}; {there}")
    return records[number]


def _front(study: Study) -> list[TrialRecord]:
    """The searched front. Raises InputError if it is empty."""
    front = study.front()
    if not front and not study.records():
        raise InputError(f"{study.run_dir}: there is no proposal yet, so there is nothing to pick")
    if not front:
        raise InputError(
            f"{study.run_dir}: none of {len(study.records())} proposals is within the limits and trained to the top "
            f"rung, so there is nothing to pick; trial=N takes one all the same"
        )
    return front


def _milliseconds(study: Study, budget: str) -> float:
    """The budget in the unit of the search's own workload; a table is asked only where it takes one."""
    from nas_search.search.budget import Milliseconds, parse_budget, resolve_budget

    parsed = parse_budget(budget)
    if isinstance(parsed, Milliseconds):
        return parsed.value

    def measure(architecture: object) -> float:
        raise InputError(f"budget '{budget}': not in the run's latency table; give a time, such as 12ms")

    return resolve_budget(budget, study.table, study.space, study.goals.workloads[0], measure)


def _with_budget(goals: Goals, limit_ms: float) -> Goals:
    """With this limit on the main workload in place of the search's own."""
    others = tuple(limit for limit in goals.limits if limit.quantity != goals.main)
    return replace(goals, limits=others).with_budget(limit_ms)


def _nothing_within(study: Study, limit_ms: float, members: Sequence[TrialRecord]) -> str:
    from nas_search.search.choice import confirmed_figures

    main = study.goals.main

    def latency(record: TrialRecord) -> float:
        return (confirmed_figures(record) if record.confirmed else record.figures)[main.name]

    fastest = min(members, key=latency)
    how = "measured" if fastest.measured(main.name) else "predicted"
    return (
        f"{study.run_dir}: no member of the front is within {figures.significant(limit_ms)} {main.unit}; the fastest "
        f"is trial {fastest.number} with {figures.significant(latency(fastest))} {main.unit}, {how}"
    )
