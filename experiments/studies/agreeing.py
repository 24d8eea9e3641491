"""Agreement of some losses with a later one, for studies of short trainings and of twins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from comparing import Analysis
from losses import finite
from rich.box import SIMPLE
from rich.table import Table
from study_results import Results

from nas_search.cli.agreement_view import agreement_facts, agreement_rows
from nas_search.errors import InputError
from nas_search.files import write_text_atomic
from nas_search.frames import read_frame
from nas_search.proxies.agreement import measure_agreement
from nas_search.proxies.agreement_table import read_scores
from nas_search.results.agreement_page import agreement_html

TABLE = "table.csv"
WANTED = 0.8
"""The tau that a training should reach to be trusted."""
ARCHITECTURE, PREFIX, LATENCY = "architecture", "bits_per_byte_", "latency_ms"


def agreement(
    results: Results, frame: pd.DataFrame, losses: Sequence[str], facts: Sequence[str], more: dict[str, Any]
) -> Analysis:
    """Of the columns ``losses`` with the last of them; ``frame`` is kept for ``nas-search agreement``."""
    path = results.study.recorded / TABLE
    path.parent.mkdir(exist_ok=True)
    write_text_atomic(path, frame.to_csv(index=False, lineterminator="\n"))
    found = measure_agreement(read_scores(path, losses, LATENCY if LATENCY in frame else None))
    headings, rows = agreement_rows(found)
    shown = Table(*headings, box=SIMPLE)
    for row in rows:
        shown.add_row(*row)
    said = [*agreement_facts(found, WANTED), *facts]
    page = agreement_html(found, (headings, rows), [*results.facts(), *said], WANTED)
    return Analysis([shown, *said], {"agreement": found.model_dump(mode="json"), **more}, page)


def recorded_losses(results: Results) -> pd.DataFrame | None:
    """Those of the study's networks, in its order, after trainings that are not its own; None if it names none.

    Raises InputError if they are of another text, or not of all networks.
    """
    study = results.study
    config = study.config
    if config.recorded_losses is None:
        return None
    if config.recorded_corpus != study.corpus:
        raise InputError(
            f"{study.folder}: losses were recorded on text {config.recorded_corpus}, these on {study.corpus}; "
            "leave recorded_losses out and put all budgets into tokens"
        )
    recorded = read_frame(study.folder / config.recorded_losses).set_index(ARCHITECTURE)
    notations = [network.notation for network in study.networks.values()]
    missing = [notation for notation in notations if notation not in recorded.index]
    if missing:
        raise InputError(f"{config.recorded_losses}: has no losses of {missing[0]}")
    return recorded.loc[notations].reset_index()


def own_losses(results: Results, prefix: str) -> pd.DataFrame:
    """A row for each network of the study, and a column for each budget of its own; empty where a training failed."""
    networks = results.study.networks
    budgets = results.study.config.tokens
    return pd.DataFrame(
        {
            ARCHITECTURE: [network.notation for network in networks.values()],
            **{f"{prefix}{tokens}": [_mean(results, name, tokens) for name in networks] for tokens in budgets},
        }
    )


def budgets(frame: pd.DataFrame, prefix: str = PREFIX) -> list[str]:
    """The columns of losses, shortest training first."""
    columns = [name for name in map(str, frame.columns) if name.startswith(prefix)]
    return sorted(columns, key=lambda name: int(name.removeprefix(prefix)))


def _mean(results: Results, name: str, tokens: int) -> float:
    mean = finite(np.array([results.losses(name, tokens=tokens).mean()]))[0]
    return float("nan") if mean is None else mean
