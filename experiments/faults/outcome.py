"""What a run has in it: what was found, and what was finished so far."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas_search.errors import InputError
from nas_search.search.study import Study
from nas_search.search.trial import TrialRecord

Told = tuple[Any, ...]


@dataclass(frozen=True)
class Outcome:
    """What two runs of the same search must have in common: everything but times and measured latencies."""

    trials: tuple[Told, ...]
    front: tuple[str, ...]
    confirmed: dict[str, Any]
    winner: str | None

    @classmethod
    def of(cls, run: Path) -> Outcome:
        """Of a run that has ended. Raises InputError if its study cannot be read."""
        study = Study.open(run)
        winner = study.winner()
        return cls(
            trials=tuple(_told(record) for record in study.records()),
            front=tuple(record.architecture for record in study.front()),
            confirmed={record.architecture: record.confirmed.scores for record in study.records() if record.confirmed},
            winner=None if winner is None else winner.architecture,
        )

    def differs_from(self, other: Outcome) -> str:
        """What is not the same, in a few words; nothing if all is."""
        for name in ("trials", "front", "confirmed", "winner"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                return f"{name}: {_first_difference(mine, theirs)}"
        return ""


@dataclass(frozen=True)
class Finished:
    """What must not be lost: trials that were told, by number, and the content of results, by job."""

    told: dict[int, Told]
    results: dict[str, str]

    @classmethod
    def of(cls, run: Path) -> Finished:
        """In a run as it is; nothing where there is no study that can be read."""
        return cls(_told_trials(run), dict(_results(run)))


def _told_trials(run: Path) -> dict[int, Told]:
    try:
        return {record.number: _told(record) for record in Study.open(run).records() if record.state != "running"}
    except (InputError, OSError):
        return {}


def _results(run: Path) -> list[tuple[str, str]]:
    found = []
    for file in sorted((run / "jobs").glob("[!.]*.json")):
        text = file.read_text(encoding="utf-8", errors="replace")
        try:
            json.loads(text)
        except ValueError:
            continue
        found.append((file.stem, text))
    return found


def _told(record: TrialRecord) -> Told:
    return (
        record.proposal_index,
        record.number,
        record.architecture,
        record.state,
        record.latency_ms,
        record.bits_per_byte,
        record.rung_scores,
        record.duplicate_of,
    )


def _first_difference(one: Any, other: Any) -> str:
    if isinstance(one, tuple) and isinstance(other, tuple):
        pairs = zip(one, other, strict=False)
        found = next(((a, b) for a, b in pairs if a != b), (f"{len(one)} of them", f"{len(other)} of them"))
        return f"{found[0]} where the undisturbed search has {found[1]}"
    return f"{one} where the undisturbed search has {other}"
