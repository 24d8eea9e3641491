"""Trials of a run as the Optuna dashboard takes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from nas_search.results import figures
from nas_search.results.outcomes import state_name

if TYPE_CHECKING:
    from nas_search.results.view import RunView
    from nas_search.search.goals import Goals
    from nas_search.search.objectives import Quantity
    from nas_search.search.trial import TrialRecord, TrialState

_STATES: dict[TrialState, OptunaState] = {
    "running": OptunaState.RUNNING,
    "complete": OptunaState.COMPLETE,
    "stopped": OptunaState.PRUNED,
    "over_limit": OptunaState.PRUNED,
    "below_limit": OptunaState.PRUNED,
    "duplicate": OptunaState.PRUNED,
    "failed": OptunaState.FAIL,
}
"""The dashboard takes every complete trial for one that may be the best, whatever its limits say. So complete is only
what reached the top rung; what was extrapolated, or has no loss of its own, is pruned and has no values."""


def shown_trial(
    record: TrialRecord,
    view: RunView,
    distributions: Mapping[str, BaseDistribution],
    attributes: Mapping[str, str],
) -> FrozenTrial:
    """``record`` with its genes as parameters; ``attributes`` are more of Optuna's system attributes.

    ``constraints`` is where the dashboard looks for limits: one share for each, at most zero where it is kept.
    """
    state = _STATES[record.state]
    values = _values(record, view.goals) if state is OptunaState.COMPLETE else None
    finished = record.finished_at
    return FrozenTrial(
        number=record.number,
        trial_id=record.number,
        state=state,
        value=None,
        values=values,
        datetime_start=None if finished is None else finished - timedelta(seconds=record.seconds),
        datetime_complete=finished,
        params=dict(view.genomes[record.number]),
        distributions=dict(distributions),
        user_attrs=_attributes(record, view),
        system_attrs={"constraints": list(view.goals.over(record.figures).values()), **attributes},
        intermediate_values=dict(zip(view.ladder.tokens, record.rung_scores, strict=False)),
    )


def objective_title(quantity: Quantity, source: str) -> str:
    """An objective with its unit; ``source`` says where predicted figures are from."""
    return figures.title(quantity) if quantity.workload is None else f"{figures.title(quantity)}, {source}"


def _values(record: TrialRecord, goals: Goals) -> list[float]:
    if record.bits_per_byte is None:
        raise ValueError(f"trial {record.number} is complete and has no loss")
    return goals.values(record.figures, record.bits_per_byte)


def _attributes(record: TrialRecord, view: RunView) -> dict[str, Any]:
    """Columns of the dashboard's table: what was predicted, by what share limits are missed, what was confirmed."""
    goals, known, confirmed = view.goals, view.goals.known, record.confirmed
    found: dict[str, Any] = {"outcome": state_name(record), "architecture": record.architecture}
    found["parameters"] = record.parameters
    found |= {objective_title(q, view.predicted): record.figures[q.name] for q in known if q.workload is not None}
    over = goals.over(record.figures)
    for limit in goals.limits:
        if limit.quantity.name in over:
            found[f"over {figures.limit(limit)}, %"] = round(100 * over[limit.quantity.name], 3)
    for task, score in record.recalls.items():
        found[f"{task}, % of answers right"] = round(100 * score.mean, 2)
    for quantity in known:
        measured = record.measured(quantity.name)
        if measured is not None:
            found[f"{figures.title(quantity)}, measured"] = measured.value
            found[f"{quantity.name}, n"] = measured.n
    if confirmed is not None:
        found["bits per byte, confirmed"] = confirmed.bits_per_byte
        found["seeds"] = len(confirmed.scores)
        for task, score in confirmed.recalls.items():
            found[f"{task}, % of answers right, confirmed"] = round(100 * score.mean, 2)
    return found
