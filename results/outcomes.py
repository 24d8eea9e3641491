"""What became of a trial, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas_search.results import figures

if TYPE_CHECKING:
    from nas_search.results.view import RunView
    from nas_search.search.trial import TrialRecord


def state_name(record: TrialRecord) -> str:
    """The state as people write it."""
    return record.state.replace("_", " ")


def outcome_reason(record: TrialRecord, view: RunView) -> str:
    """Why a trial is in its state; empty for a complete one that is not on the front."""
    if record.reason:
        return record.reason
    if record.state == "too_slow" and view.facts.limit_ms is not None:
        return f"{figures.percent(record.latency_ms / view.facts.limit_ms - 1)} over the budget"
    if record.state == "duplicate" and record.twin is not None:
        return f"the same network as trial {record.twin}"
    if record.state == "stopped":
        return "unlikely to reach the front; loss extrapolated"
    if any(member.number == record.number for member in view.front):
        return "on the front"
    return ""
