"""A study as one JSON document."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas_search.search.study import Study
    from nas_search.search.trial import TrialRecord


def study_document(study: "Study") -> dict[str, Any]:
    """Front, winner, hypervolume, every trial and the seconds by phase, ready for JSON."""
    winner = study.winner()
    return {
        "front": [_point(record) for record in study.front()],
        "winner": None if winner is None else _point(winner),
        "hypervolume": study.hypervolume(),
        "trials": [_trial(record) for record in study.records()],
        "seconds": study.seconds,
        "run": str(study.run_dir),
    }


def _point(record: "TrialRecord") -> dict[str, Any]:
    return {
        "architecture": record.architecture,
        "latency_ms": record.latency_ms,
        "bits_per_byte": record.bits_per_byte,
        "parameters": record.parameters,
        "confirmed": None if record.confirmed is None else record.confirmed.model_dump(mode="json"),
    }


def _trial(record: "TrialRecord") -> dict[str, Any]:
    return record.model_dump(mode="json", exclude_none=True)
