"""The trials of a run as data of a scaling law."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nas_search.errors import InputError
from nas_search.proxies.law_points import LawPoints
from nas_search.search.rungs import Ladder
from nas_search.search.study import Study
from nas_search.search.trial import TrialRecord
from nas_search.space.architecture import Architecture

LOSS_NAME = "bits per byte"


class _Row(NamedTuple):
    depth: int
    width: int
    tokens: int
    loss: float
    latency_ms: float


def run_points(study: Study) -> LawPoints:
    """Depth and width of what each trial trained, and its loss in bits per byte after each rung's tokens.

    Where twins were trained the width is theirs; the latency is that of the architecture, as predicted. Raises
    InputError if nothing was trained.
    """
    ladder = Ladder.build(study.config.tokens, study.config.lowest_rung)
    rows = [row for record in study.records() for row in _rows(record, ladder)]
    if not rows:
        raise InputError(f"{study.run_dir}: no trial has a loss yet")
    depth, width, tokens, loss, latency_ms = np.array(rows, dtype=np.float64).T
    corpus = study.facts.corpus if study.facts else None
    return LawPoints(str(study.run_dir), depth, width, tokens, loss, latency_ms, LOSS_NAME, corpus)


def _rows(record: TrialRecord, ladder: Ladder) -> list[_Row]:
    trained = Architecture.parse(record.trained_as)
    return [
        _Row(trained.depth, trained.width, tokens, loss, record.latency_ms)
        for tokens, loss in zip(ladder.tokens, record.rung_scores, strict=False)
    ]
