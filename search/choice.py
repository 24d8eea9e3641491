"""Which trials stand out: the front, the members worth confirming, the winner."""

from __future__ import annotations

from collections.abc import Sequence

from nas_search.proxies.recall_result import recall_figures
from nas_search.search.front import LOSS_COORDINATE, Point, nondominated, spread
from nas_search.search.goals import Goals
from nas_search.search.trial import TrialRecord


def search_front(records: Sequence[TrialRecord], goals: Goals) -> list[TrialRecord]:
    """Non-dominated trials of the top rung by predicted figures and loss, fastest first.

    Stopped trials have extrapolated losses and those over a limit none, so neither is ever in it.
    """
    complete = [record for record in records if record.state == "complete"]
    return [complete[index] for index in nondominated([goals.point(record) for record in complete])]


def worth_confirming(front: Sequence[TrialRecord], count: int, goals: Goals, reference: Point) -> list[TrialRecord]:
    """At most ``count`` members: the one of least loss, then those that add most hypervolume to the others."""
    return [front[index] for index in spread([goals.point(record) for record in front], count, reference)]


def confirmed_figures(record: TrialRecord) -> dict[str, float]:
    """The figures of a confirmed trial: measured where they were measured, else predicted; recall of fresh seeds."""
    if record.confirmed is None:
        raise ValueError(f"trial {record.number} was not confirmed")
    measured = {name: record.measured(name) for name in record.figures}
    found = {name: figure.value for name, figure in measured.items() if figure is not None}
    return record.figures | found | recall_figures(record.confirmed.recalls)


def confirmed_point(record: TrialRecord, goals: Goals) -> Point:
    """The point of a confirmed trial by :func:`confirmed_figures` and its mean loss over seeds."""
    if record.confirmed is None:
        raise ValueError(f"trial {record.number} was not confirmed")
    return goals.minimised(goals.values(confirmed_figures(record), record.confirmed.bits_per_byte))


def confirmed_front(records: Sequence[TrialRecord], goals: Goals) -> list[TrialRecord]:
    """Non-dominated confirmed trials by confirmed figures, fastest first."""
    confirmed = [record for record in records if record.confirmed is not None]
    return [confirmed[index] for index in nondominated([confirmed_point(record, goals) for record in confirmed])]


def choose_winner(records: Sequence[TrialRecord], goals: Goals) -> TrialRecord | None:
    """The winner by confirmed figures; None if nothing was confirmed.

    The lowest loss among those within all limits, as in Nemotron-Flash (section 3), or the one that misses them least
    if measurement leaves none: with a latency budget alone, the fastest.
    """

    def rank(record: TrialRecord) -> tuple[float, float, Point]:
        point = confirmed_point(record, goals)
        return goals.excess(confirmed_figures(record)), point[LOSS_COORDINATE], point

    return min((record for record in records if record.confirmed is not None), key=rank, default=None)
