"""Which trials stand out: the front, the members worth confirming, the winner."""

from __future__ import annotations

from collections.abc import Sequence

from nas_search.search.front import Point, nondominated, spread
from nas_search.search.trial import TrialRecord


def search_front(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Non-dominated trials of the top rung by (predicted latency, loss), fastest first.

    Stopped trials have extrapolated losses and too-slow ones none, so neither is ever in it.
    """
    complete = [record for record in records if record.state == "complete"]
    return [complete[index] for index in nondominated([record.point for record in complete])]


def worth_confirming(front: Sequence[TrialRecord], count: int, reference: Point) -> list[TrialRecord]:
    """At most ``count`` members: the one of least loss, then those that add most hypervolume to the others."""
    return [front[index] for index in spread([record.point for record in front], count, reference)]


def confirmed_point(record: TrialRecord) -> Point:
    """(measured latency in ms, mean bits per byte) of a confirmed trial."""
    if record.confirmed is None:
        raise ValueError(f"trial {record.number} was not confirmed")
    return record.confirmed.latency.latency_ms, record.confirmed.bits_per_byte


def confirmed_front(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Non-dominated confirmed trials by confirmed figures, fastest first."""
    confirmed = [record for record in records if record.confirmed is not None]
    return [confirmed[index] for index in nondominated([confirmed_point(record) for record in confirmed])]


def choose_winner(records: Sequence[TrialRecord], limit_ms: float | None) -> TrialRecord | None:
    """The winner by confirmed figures; None if nothing was confirmed.

    The lowest loss among those measured within the limit, as in Nemotron-Flash (section 3), or the fastest if
    measurement leaves none. Without a limit all are within it.
    """
    front = confirmed_front(records)
    if not front:
        return None
    within = [record for record in front if limit_ms is None or confirmed_point(record)[0] <= limit_ms]
    return within[-1] if within else front[0]
