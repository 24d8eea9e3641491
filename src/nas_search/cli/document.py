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
    shape = study.facts.shape if study.facts else None
    return {
        "objectives": [_objective(quantity) for quantity in study.goals.objectives],
        "predictions": study.source if study.facts else None,
        "limits": [str(limit) for limit in study.goals.limits],
        "shape": None if shape is None else shape.model_dump(mode="json"),
        "columns": [quantity.name for quantity in study.goals.columns],
        "front": [_point(record, study.goals) for record in study.front()],
        "winner": None if winner is None else _point(winner, study.goals),
        "hypervolume": study.hypervolume(),
        "warm_start": [_prior(run) for run in study.prior.runs],
        "trials": [_trial(record) for record in study.records()],
        "seconds": study.seconds,
        "utilisation": _utilisation(study),
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
        "recall": {quantity.name: _recall(record, quantity) for quantity in goals.confirmed_recalls},
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


def _recall(record: "TrialRecord", quantity: "Quantity") -> dict[str, float | None]:
    """The share of answers that were right, means over seeds; None where it was not asked."""
    confirmed = record.confirmed_recall(quantity.name)
    return {
        "searched": record.figures.get(quantity.name),
        "confirmed": None if confirmed is None else confirmed.mean,
    }


def _utilisation(study: "Study") -> dict[str, float] | None:
    """Seconds of workers while it searched, at jobs and in all."""
    found = study.utilisation
    return None if found is None else {**found.model_dump(), "idle_share": found.idle_share}


def _prior(run: "PriorRun") -> dict[str, Any]:
    return {"run": run.name, "same_score": run.same_score, "trials": len(run.trials), "not_in_space": run.outside}


def _trial(record: "TrialRecord") -> dict[str, Any]:
    return record.model_dump(mode="json", exclude_none=True)
