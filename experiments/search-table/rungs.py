"""What rungs are worth: searches replayed from the recorded losses of this folder's table.

    python experiments/search-table/rungs.py [--table FILE] [--latency COLUMN] [--seeds 20] [--samplers random,...]

First how well each rung ranks: Spearman's correlation of its losses with those at the top, overall and as the mean over
latency quartiles. Then architectures in random order, one after the other, by several rules and on several ladders.
Last, searches by the engine of real ones in virtual time, and the same without lower rungs.

- tokens, seconds: shares of what training all of them straight to the top takes, every branch counted
- hypervolume: that of what reached the top, up to the worst of the table, over that of all trials at the top
- found: the same over that of the whole table
- error: root mean square of what stopped trials were told less what they reach, bits per byte
- covered: the share of these within two standard deviations

Means over seeds with 95 % bootstrap intervals; the last line is one JSON document.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from replays import DECAY_SHARE, TOKENS, MakeRule, Recorded, Replay, replay, search
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Column, Table
from rules import Everything, Halving, Margin, Promising
from scipy.stats import spearmanr

from nas_search.search.bench.summary import Estimate
from nas_search.search.promotion import WORTH

TABLE = Path(__file__).parent / "recorded" / "table.csv"
LADDERS = (TOKENS, TOKENS[1:], TOKENS[2:], (TOKENS[0], *TOKENS[2:]), TOKENS[:3], TOKENS[1:3])
FEW = 24
"""Trials of a search by default."""
FIGURES = ("tokens", "seconds", "hypervolume", "found", "error", "covered")
Replays = Mapping[str, Sequence[Replay]]


def main(arguments: argparse.Namespace) -> None:
    """All parts."""
    console = Console(width=220)
    table = Recorded.load(arguments.table, arguments.latency)
    seeds = range(arguments.seeds)
    document: dict[str, Any] = {"rows": len(table.rows), "seeds": len(seeds), "ranks": ranks(table, console)}
    parts = {"rules": by_rules(table, seeds), "ladders": by_ladders(table, seeds)}
    parts["engine"] = by_engine(table, seeds, arguments.samplers, arguments.trials)
    for title, replays in parts.items():
        document[title] = show(title, replays, console)
    print(json.dumps(document))


def ranks(table: Recorded, console: Console) -> dict[str, dict[str, float]]:
    """Of each rung's losses with those at the top."""
    quartiles = pd.qcut(table.latencies, 4, labels=False)
    found = {}
    shown = Table("rung", "rank correlation", "in latency quartiles", title="Ranks", box=SIMPLE)
    for rung, tokens in enumerate(TOKENS[:-1]):
        pairs = table.losses[:, [rung, -1]]
        overall = float(spearmanr(pairs).statistic)
        within = float(np.mean([spearmanr(pairs[quartiles == one]).statistic for one in range(4)]))
        found[str(tokens)] = {"overall": overall, "within": within}
        shown.add_row(f"{tokens:,}", f"{overall:.2f}", f"{within:.2f}")
    console.print(shown)
    return found


def by_rules(table: Recorded, seeds: range) -> Replays:
    """All rungs, all rows."""
    rules: dict[str, MakeRule] = {
        "everything, rung by rung": lambda ladder, seed: Everything(),
        "fixed margin": lambda ladder, seed: Margin(ladder.tokens, seed),
        "halving": lambda ladder, seed: Halving(len(ladder.tokens)),
        "ours": promising(table),
        "ours, half the bar": promising(table, worth=WORTH / 2),
        "ours, twice the bar": promising(table, worth=2 * WORTH),
    }
    return {name: [replay(table, rule, seed) for seed in seeds] for name, rule in rules.items()}


def by_ladders(table: Recorded, seeds: range) -> Replays:
    """Our rule, all rows and the few of a search by default."""
    return {
        f"{', '.join(f'{budget:,}' for budget in tokens)}; {trials or len(table.rows)} trials": [
            replay(table.on(tokens), promising(table), seed, trials) for seed in seeds
        ]
        for tokens in LADDERS
        for trials in (None, FEW)
    }


def by_engine(table: Recorded, seeds: range, samplers: Sequence[str], trials: int) -> Replays:
    """Searches by samplers, on all rungs and straight to the top."""
    ladders = {"all rungs": table, "top rung alone": table.on(TOKENS[-1:])}
    return {
        f"{sampler}, {trials} trials, {name}": [search(ladder, sampler, seed, trials) for seed in seeds]
        for sampler in samplers
        for name, ladder in ladders.items()
    }


def promising(table: Recorded, **options: float) -> MakeRule:
    """The rule of the search."""
    features = len(table.standings[0].features)
    return lambda ladder, seed: Promising(ladder.work(DECAY_SHARE), features, seed, **options)


def show(title: str, replays: Replays, console: Console) -> dict[str, dict[str, Any]]:
    """Print a part; returns it."""
    shown = Table(
        Column(no_wrap=True), *FIGURES, "least hypervolume", "trials on each rung", title=title.capitalize(), box=SIMPLE
    )
    found = {}
    for name, ones in replays.items():
        samples = {figure: np.array([getattr(one, figure) for one in ones]) for figure in FIGURES}
        estimates = {figure: Estimate.of(values) for figure, values in samples.items() if np.isfinite(values).all()}
        least, rungs = float(samples["hypervolume"].min()), np.mean([one.on_rungs for one in ones], axis=0)
        cells = [text(estimates.get(figure)) for figure in FIGURES]
        shown.add_row(name, *cells, f"{least:.4f}", " ".join(f"{count:.1f}" for count in rungs))
        found[name] = {figure: estimate.model_dump() for figure, estimate in estimates.items()} | {
            "least_hypervolume": least,
            "on_rungs": rungs.tolist(),
        }
    console.print(shown)
    return found


def text(estimate: Estimate | None) -> str:
    """Mean and interval."""
    return "" if estimate is None else f"{estimate.mean:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=TABLE, help="CSV file with losses and latencies")
    parser.add_argument("--latency", default="latency_ms", help="column of latencies (default: latency_ms)")
    parser.add_argument("--seeds", type=int, default=20, help="searches of each kind (default: 20)")
    parser.add_argument("--trials", type=int, default=48, help="of searches by the engine (default: 48)")
    parser.add_argument("--samplers", nargs="*", default=["random"], help="of searches by the engine (default: random)")
    main(parser.parse_args())
