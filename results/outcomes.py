"""What became of a trial, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas_search.results import figures

if TYPE_CHECKING:
    from nas_search.results.view import RunView
    from nas_search.search.goals import Goals
    from nas_search.search.trial import TrialRecord


def state_name(record: TrialRecord) -> str:
    """The state as people write it."""
    return record.state.replace("_", " ")


def over_limits(record: TrialRecord, goals: Goals) -> str:
    """Which limits a trial's figures miss, and by what share; those on recall only if it was trained on it."""
    over = goals.over(record.figures)
    return ", ".join(
        f"{limit.quantity.name} {figures.percent(share)} {'under' if limit.quantity.higher_is_better else 'over'}"
        for limit in goals.limits
        if (share := over.get(limit.quantity.name, 0.0)) > 0
    )


def outcome_reason(record: TrialRecord, view: RunView) -> str:
    """Why a trial is in its state; empty for a complete one that is not on the front."""
    if record.reason:
        return record.reason
    if record.state in {"over_limit", "below_limit"}:
        return over_limits(record, view.goals)
    if record.state == "duplicate" and record.duplicate_of is not None:
        return f"the same network as trial {record.duplicate_of}"
    if record.state == "stopped":
        return "unlikely to reach the front; loss extrapolated"
    if any(member.number == record.number for member in view.front):
        return "on the front"
    return ""
