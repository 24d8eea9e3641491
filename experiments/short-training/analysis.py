"""How well shorter trainings rank networks as the longest does, with the losses of experiments/search-table.

Writes ``recorded/table.csv``, which ``nas-search agreement`` reads, too.
"""

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
PREFIX, LATENCY = "bits_per_byte_", "latency_ms"


def analyse(results: Results) -> Analysis:
    """Correlations of every budget with the last."""
    path = results.study.recorded / TABLE
    frame, difference = losses(results)
    path.parent.mkdir(exist_ok=True)
    write_text_atomic(path, frame.to_csv(index=False, lineterminator="\n"))
    found = measure_agreement(read_scores(path, _budgets(frame), LATENCY if LATENCY in frame else None))
    headings, rows = agreement_rows(found)
    shown = Table(*headings, box=SIMPLE)
    for row in rows:
        shown.add_row(*row)
    facts = [*agreement_facts(found, WANTED), _repeated(difference)]
    document = {"agreement": found.model_dump(mode="json"), "greatest_difference_to_recorded": difference}
    page = agreement_html(found, (headings, rows), [*results.facts(), *facts], WANTED)
    return Analysis([shown, *facts], document, page)


def losses(results: Results) -> tuple[pd.DataFrame, float | None]:
    """A row for each network, by notation; and the greatest difference where a budget was recorded before.

    Raises InputError if what was recorded is of another text, or has not all networks.
    """
    config, networks = results.study.config, results.study.networks
    own = pd.DataFrame(
        {
            "architecture": [network.notation for network in networks.values()],
            **{f"{PREFIX}{tokens}": [_mean(results, name, tokens) for name in networks] for tokens in config.tokens},
        }
    )
    if config.recorded_losses is None:
        return own, None
    if config.recorded_corpus != results.study.corpus:
        raise InputError(
            f"{results.study.folder}: losses were recorded on text {config.recorded_corpus}, these on "
            f"{results.study.corpus}; leave recorded_losses out and put all budgets into tokens"
        )
    recorded = read_frame(results.study.folder / config.recorded_losses).set_index("architecture")
    missing = [notation for notation in own["architecture"] if notation not in recorded.index]
    if missing:
        raise InputError(f"{config.recorded_losses}: has no losses of {missing[0]}")
    rows = recorded.loc[own["architecture"]].reset_index()
    both = [name for name in _budgets(own) if name in rows]
    differences = [float((own[name] - rows[name]).abs().max()) for name in both]
    more = [LATENCY, *(name for name in _budgets(rows) if name not in own)]
    return own.join(rows[more]), max(differences, default=None)


def _budgets(frame: pd.DataFrame) -> list[str]:
    """The columns of losses, shortest training first."""
    columns = [name for name in map(str, frame.columns) if name.startswith(PREFIX)]
    return sorted(columns, key=lambda name: int(name.removeprefix(PREFIX)))


def _mean(results: Results, name: str, tokens: int) -> float:
    """Empty in the table if a training failed."""
    mean = finite(np.array([results.losses(name, tokens=tokens).mean()]))[0]
    return float("nan") if mean is None else mean


def _repeated(difference: float | None) -> str:
    if difference is None:
        return "no budget was recorded before"
    return f"where a budget was recorded before, the same training differs by at most {difference:.2g} bits per byte"
