"""Two arms of a study against each other: for each network, and for the mean of all networks."""

from __future__ import annotations

from comparing import Analysis, comparison_document, comparison_page, comparison_table
from losses import loss_document, loss_table
from paired import Paired, corrected
from rich.box import SIMPLE
from rich.table import Table
from study_results import Results, swept

MEAN = "mean of networks"


def analyse_arms(results: Results) -> Analysis:
    """The second arm less the first, paired by seed."""
    first, second = results.study.config.arms
    pairs = {name: (results.losses(name, second), results.losses(name, first)) for name in results.study.networks}
    # Trainings of one seed share their data: seeds, not networks, are what is drawn.
    pairs[MEAN] = tuple(sum(sides) / len(pairs) for sides in zip(*pairs.values(), strict=True))
    title = {name: f"{name}: {second} less {first}" for name in pairs}
    found = corrected([Paired.of(*pair) for pair in pairs.values()])
    rows = dict(zip(title.values(), found, strict=True))
    tables: list[Table | str] = [loss_table(results), comparison_table(rows)]
    document = {"losses": loss_document(results), "comparisons": comparison_document(rows)}
    if results.study.config.sweep is not None:
        tables.insert(0, _sweep_table(results))
        document["learning_rates"] = _chosen(results)
    return Analysis(tables, document, comparison_page(results.study.config.title, rows, results.facts()))


def _sweep_table(results: Results) -> Table:
    sweep = results.study.config.sweep
    assert sweep is not None
    rates = [f"{rate:g}" for rate in sweep.learning_rates]
    shown = Table("network", *rates, "chosen", "", title=f"Learning rates, seed {sweep.seed}", box=SIMPLE)
    for row, member in zip(_chosen(results), results.study.members, strict=True):
        losses = [f"{loss:.4f}" for _, loss in swept(results, member)]
        edge = "at the edge of the sweep" if row["at_the_edge"] else ""
        shown.add_row(" ".join(member), *losses, f"{row['learning_rate']:g}", edge)
    return shown


def _chosen(results: Results) -> list[dict[str, object]]:
    sweep = results.study.config.sweep
    assert sweep is not None
    ends = (min(sweep.learning_rates), max(sweep.learning_rates))
    rates = [results.study.chosen_rate(member, results.shards.loss) for member in results.study.members]
    return [
        {"network": member.network, "arm": member.arm, "learning_rate": rate, "at_the_edge": rate in ends}
        for member, rate in zip(results.study.members, rates, strict=True)
    ]
