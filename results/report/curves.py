"""Learning curves of trials, as their trainings left them in the run directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nas_search.search.jobs import result_path
from nas_search.search.training import confirm_job_name, rung_job_name

if TYPE_CHECKING:
    from nas_search.results.view import RunView
    from nas_search.search.trial import TrialRecord

POINTS = 40
"""So many are kept of a curve; a training has hundreds of steps."""


class Curve(NamedTuple):
    """Training loss in bits per byte against tokens; each point is the mean over the steps since the one before."""

    name: str
    tokens: tuple[int, ...]
    losses: tuple[float, ...]


def learning_curves(view: RunView) -> dict[int, list[Curve]]:
    """Those of trained trials, by number: of the search, then one for each seed of the confirmation.

    What cannot be read is left out: a run may have been copied without its jobs.
    """
    found = {record.number: _curves(view, record) for record in view.records if record.trained}
    return {number: curves for number, curves in found.items() if curves}


def _curves(view: RunView, record: TrialRecord) -> list[Curve]:
    jobs = []
    if record.rung is not None:
        jobs.append(("search", rung_job_name(record.fingerprint, record.rung)))
    if record.confirmed is not None:
        tokens = record.confirmed.tokens
        for score in record.confirmed.scores:
            jobs.append((f"confirmed, seed {score.seed}", confirm_job_name(record.fingerprint, tokens, score.seed)))
    read = (_read(name, result_path(view.run_dir, job)) for name, job in jobs)
    return [curve for curve in read if curve is not None]


def _read(name: str, path: Path) -> Curve | None:
    try:
        points = json.loads(path.read_bytes())["result"]["curve"]
        return thinned(name, [(int(tokens), float(loss)) for tokens, loss in points]) if points else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def thinned(name: str, points: list[tuple[int, float]]) -> Curve:
    """At most POINTS points, each the mean loss of its steps at the tokens of the last of them."""
    step = -(-len(points) // POINTS)
    groups = [points[start : start + step] for start in range(0, len(points), step)]
    return Curve(
        name,
        tuple(group[-1][0] for group in groups),
        tuple(round(sum(loss for _, loss in group) / len(group), 4) for group in groups),
    )
