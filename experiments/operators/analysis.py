"""Pairs of networks that the paper compares, and how far the order of all of them is the paper's."""

from pathlib import Path

import numpy as np
from comparing import Analysis, comparison_document, comparison_page, comparison_table
from losses import loss_document, loss_table
from paired import Paired, corrected
from rich.table import Table
from study_results import Results

from nas_search.yaml_text import parse_yaml

PUBLISHED = Path(__file__).with_name("published.yaml")


def analyse(results: Results) -> Analysis:
    """Losses beside the paper's perplexities, and the comparisons."""
    config = results.study.config
    found = corrected([Paired.of(results.losses(one), results.losses(other)) for one, other in config.comparisons])
    names = [f"{one} less {other}" for one, other in config.comparisons]
    rows = dict(zip(names, found, strict=True))
    published: dict[str, float] = parse_yaml(PUBLISHED.read_text(encoding="utf-8"), str(PUBLISHED))
    losses = {name: float(results.losses(name).mean()) for name in results.study.networks}
    agreement = rank_agreement(losses, published)
    perplexities = {name: f"{published[name]:.2f}" for name in losses if name in published}
    tables: list[Table | str] = [loss_table(results, **{"paper's perplexity": perplexities}), comparison_table(rows)]
    tables.append(_sentence(agreement))
    document = {
        "losses": loss_document(results),
        "comparisons": comparison_document(rows),
        "rank_agreement_with_the_paper": agreement,
    }
    facts = [*results.facts(), _sentence(agreement)]
    return Analysis(tables, document, comparison_page(config.title, rows, facts))


def rank_agreement(losses: dict[str, float], published: dict[str, float]) -> dict[str, float | int] | None:
    """Spearman's rho and Kendall's tau of ours with the paper's, with p values; None for fewer than three networks."""
    from scipy.stats import kendalltau, spearmanr

    names = [name for name in losses if name in published and np.isfinite(losses[name])]
    if len(names) < 3:
        return None
    pair = [losses[name] for name in names], [published[name] for name in names]
    rho, tau = spearmanr(*pair), kendalltau(*pair)
    return {
        "n": len(names),
        "rho": float(rho.statistic),
        "rho_p": float(rho.pvalue),
        "tau": float(tau.statistic),
        "tau_p": float(tau.pvalue),
    }


def _sentence(found: dict[str, float | int] | None) -> str:
    if found is None:
        return "too few networks to compare their order with the paper's"
    return (
        f"order against the paper's: Spearman {found['rho']:.2f} (p {found['rho_p']:.2g}), Kendall {found['tau']:.2f} "
        f"(p {found['tau_p']:.2g}), n = {found['n']}"
    )
