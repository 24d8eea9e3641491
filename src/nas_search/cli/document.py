"""A study as one JSON document."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas_search.search.goals import Goals
    from nas_search.search.objectives import Quantity
    from nas_search.search.prior import PriorRun
    from nas_search.search.study import Study
    from nas_search.search.trial import TrialRecord


def study_document(study: "Study") -> dict[str, Any]:
    """Goals, front, winner, hypervolume, what other runs told, every trial and the seconds by phase, ready for JSON."""
    winner = study.winner()
    return {
        "objectives": [_objective(quantity) for quantity in study.goals.objectives],
        "predictions": study.source if study.facts else None,
        "limits": [str(limit) for limit in study.goals.limits],
        "front": [_point(record, study.goals) for record in study.front()],
        "winner": None if winner is None else _point(winner, study.goals),
        "hypervolume": study.hypervolume(),
        "warm_start": [_prior(run) for run in study.prior.runs],
        "trials": [_trial(record) for record in study.records()],
        "seconds": study.seconds,
        "run": str(study.run_dir),
    }


def _objective(quantity: "Quantity") -> dict[str, Any]:
    return {"name": quantity.name, "unit": quantity.unit, "higher_is_better": quantity.higher_is_better}


def _point(record: "TrialRecord", goals: "Goals") -> dict[str, Any]:
    return {
        "architecture": record.architecture,
        "latency_ms": record.latency_ms,
        "bits_per_byte": record.bits_per_byte,
        "parameters": record.parameters,
        "figures": {quantity.name: _figure(record, quantity) for quantity in (goals.main, *goals.further)},
        "confirmed": None if record.confirmed is None else record.confirmed.model_dump(mode="json"),
    }


def _figure(record: "TrialRecord", quantity: "Quantity") -> dict[str, Any]:
    """Predicted and measured value (None if it was not measured), both in ``unit``."""
    measured = record.measured(quantity.name)
    return {
        "predicted": record.figures[quantity.name],
        "measured": None if measured is None else measured.value,
        "unit": quantity.unit,
    }


def _prior(run: "PriorRun") -> dict[str, Any]:
    return {"run": run.name, "same_score": run.same_score, "trials": len(run.trials), "not_in_space": run.outside}


def _trial(record: "TrialRecord") -> dict[str, Any]:
    return record.model_dump(mode="json", exclude_none=True)
