"""Whether a study that somebody stored is whole: what all who read it take for granted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas_search.search.goals import Goals
    from nas_search.search.trial import TrialRecord


def check_study(goals: Goals, records: Sequence[TrialRecord]) -> None:
    """Raise ValueError for goals without a workload or a second objective, and for a trial that lacks a figure."""
    if len(goals.objectives) < 2 or goals.main.workload is None:
        raise ValueError("objectives: a workload comes first, and the loss is one of them")
    numbers = {record.number for record in records}
    for record in records:
        missing = next(_missing(goals, record), None)
        if missing is not None:
            raise ValueError(f"trial {record.number} ({record.state}): no {missing} that is a number")
        if record.duplicate_of is not None and record.duplicate_of not in numbers:
            raise ValueError(f"trial {record.number}: there is no trial {record.duplicate_of} that it repeats")


def _missing(goals: Goals, record: TrialRecord) -> Iterator[str]:
    """The names of what should be a finite number and is none."""
    asked = [(quantity.name, record.figures.get(quantity.name)) for quantity in goals.known]
    asked += [("latency", record.latency_ms), *(("loss of a rung", loss) for loss in record.rung_scores)]
    if record.state == "complete":
        asked += [(quantity.name, record.figures.get(quantity.name)) for quantity in goals.recalls]
    if record.state in {"complete", "stopped"} or record.bits_per_byte is not None:
        asked.append(("loss", record.bits_per_byte))
    return (name for name, value in asked if value is None or not isfinite(value))
