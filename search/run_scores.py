"""The losses of a run as scores that can be compared: those of its rungs, and those of its confirmations."""

from __future__ import annotations

from typing import Literal

import numpy as np

from nas_search.errors import InputError
from nas_search.proxies.agreement import LATENCY, Proxy, Scores
from nas_search.proxies.agreement_table import size_proxies
from nas_search.search.rungs import Ladder
from nas_search.search.study import Study
from nas_search.search.trial import TrialRecord
from nas_search.space.architecture import Architecture

Target = Literal["top", "confirmed"]


def run_scores(study: Study, target: Target = "top") -> Scores:
    """Losses at each rung of trials that reached the top, against those at the top or the means of confirmations.

    Parameters and depth are those of what was trained, a twin where there is one; latencies are predicted. Raises
    InputError if no trial has the target.
    """
    ladder = Ladder.build(study.config.tokens, study.config.lowest_rung)
    there = [record for record in study.records() if record.state == "complete" and record.rung == ladder.top]
    records = [record for record in there if record.confirmed] if target == "confirmed" else there
    if not records:
        raise InputError(f"{study.run_dir}: no trial {'is confirmed' if target == 'confirmed' else 'reached the top'}")
    losses = np.array([record.rung_scores for record in records])
    truth = _confirmed(records) if target == "confirmed" else losses[:, -1]
    rungs = ladder.tokens if target == "confirmed" else ladder.tokens[:-1]
    trained = (Proxy(f"{tokens:,} tokens", losses[:, rung], rung) for rung, tokens in enumerate(rungs))
    latencies = np.array([record.latency_ms for record in records])
    sizes = size_proxies([Architecture.parse(record.trained_as) for record in records])
    return Scores(
        source=str(study.run_dir),
        target=_title(records, target, ladder),
        truth=truth,
        proxies=(*trained, *sizes, Proxy(LATENCY, -latencies)),
        latencies=latencies,
        architectures=tuple(record.trained_as for record in records),
        left_out=sum(record.trained for record in study.records()) - len(records),
    )


def _confirmed(records: list[TrialRecord]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([record.confirmed.bits_per_byte for record in records if record.confirmed])


def _title(records: list[TrialRecord], target: Target, ladder: Ladder) -> str:
    """Of the truth."""
    confirmed = records[0].confirmed
    if target == "confirmed" and confirmed is not None:
        return f"confirmed bits per byte after {confirmed.tokens:,} tokens"
    return f"bits per byte after {ladder.tokens[-1]:,} tokens"
