"""The scaling law of the networks, its error on larger ones than it was fitted on, and the best depth by latency.

Writes ``recorded/table.csv``, which ``nas-search law`` reads, too.
"""

from typing import Any

import numpy as np
import pandas as pd
from comparing import Analysis
from rich.box import SIMPLE
from rich.table import Table
from study_results import Results

from nas_search.cli.law_view import law_facts
from nas_search.files import write_text_atomic
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.workload import Workload
from nas_search.proxies.law import RESAMPLES, fit_law
from nas_search.proxies.law_points import LawPoints, read_points
from nas_search.results.law_page import law_html
from nas_search.space.architecture import Architecture

TABLE = "table.csv"
BUDGETS = 5
"""Latencies at which the best depth is asked for."""


def analyse(results: Results) -> Analysis:
    """The law of bits per byte; of perplexities (of bytes), as in the paper, only the errors."""
    path = results.study.recorded / TABLE
    frame = losses(results)
    path.parent.mkdir(exist_ok=True)
    write_text_atomic(path, frame.to_csv(index=False, lineterminator="\n"))
    points = read_points(path)
    law = fit_law(points, resamples=RESAMPLES)
    perplexities = LawPoints(
        str(path), points.depth, points.width, points.tokens, 2.0**points.loss, points.latency_ms, "perplexity of bytes"
    )
    of_perplexity = fit_law(perplexities, resamples=2)
    errors = {held.rule: held.error.mean for held in of_perplexity.held_out if held.error}
    facts = [
        *law_facts(law),
        *(f"perplexity of bytes, {rule}, held out: mean {error:.1%}" for rule, error in errors.items()),
    ]
    document: dict[str, Any] = {
        "law": law.model_dump(mode="json", exclude={"resamples"}),
        "perplexity_held_out": errors,
        "best_by_latency": best_by_latency(frame),
    }
    shown: list[Table | str] = list(facts)
    if document["best_by_latency"]:
        shown.append(_best_table(document["best_by_latency"]))
    return Analysis(shown, document, law_html(law, points, [*results.facts(), *facts]))


def losses(results: Results) -> pd.DataFrame:
    """A row for each network, seed and budget; trainings that failed are left out."""
    networks = results.study.networks
    latencies = latencies_ms(results, list(networks.values()))
    rows = [
        {
            "depth": network.depth,
            "width": network.width,
            "tokens": tokens,
            "loss": loss,
            "seed": seed,
            "architecture": network.notation,
            "parameters": network.parameters,
            **({} if latencies is None else {"latency_ms": round(latencies[network], 6)}),
        }
        for name, network in networks.items()
        for tokens in results.study.config.tokens
        for seed, loss in zip(results.study.config.seeds, results.losses(name, tokens=tokens), strict=True)
        if np.isfinite(loss)
    ]
    return pd.DataFrame(rows)


def latencies_ms(results: Results, networks: list[Architecture]) -> dict[Architecture, float] | None:
    """By the table of the config, if it has one."""
    latency = results.study.config.latency
    if latency is None:
        return None
    table = LatencyTable.load(results.study.folder / latency.table)
    return dict(zip(networks, table.predict_many(networks, Workload.parse(latency.workload)).tolist(), strict=True))


def best_by_latency(frame: pd.DataFrame) -> list[dict[str, float]]:
    """The network with the lowest loss after most tokens, at latencies from the fastest's to the slowest's."""
    if "latency_ms" not in frame:
        return []
    last = frame[frame["tokens"] == frame["tokens"].max()]
    means = last.groupby(["depth", "width"], as_index=False)[["loss", "latency_ms"]].mean()
    budgets = np.geomspace(means["latency_ms"].min(), means["latency_ms"].max(), BUDGETS + 1)[1:]
    found = []
    for budget in budgets:
        within = means[means["latency_ms"] <= budget * (1 + 1e-9)]
        best = within.loc[within["loss"].idxmin()]
        row = {"budget_ms": budget, "depth": best["depth"], "width": best["width"], "loss": best["loss"]}
        found.append({name: float(value) for name, value in row.items()})
    return found


def _best_table(rows: list[dict[str, float]]) -> Table:
    shown = Table(
        "at most, ms", "depth", "width", "depth / width", "bits per byte", box=SIMPLE, title="Best by latency"
    )
    for row in rows:
        ratio = row["depth"] / row["width"]
        shown.add_row(
            f"{row['budget_ms']:.3g}", f"{row['depth']:g}", f"{row['width']:g}", f"{ratio:.3f}", f"{row['loss']:.4f}"
        )
    return shown
