"""Which genes decide: the share of the spread of loss and latency that each of them explains alone.

This is the one-way analysis of variance with the adjusted share (epsilon squared, Kelley 1935), whose expectation is
zero for a gene that does nothing. What chance alone gives is found by shuffling the values, as in a permutation test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_search.results import figures
from nas_search.results.html import Column, Html, element, join, table

if TYPE_CHECKING:
    from nas_search.results.view import RunView
    from nas_search.space.genome import Choice

FEWEST = 12
"""With fewer networks nothing is told."""
SHUFFLES = 400
CHANCE = 0.95

Vector = NDArray[np.float64]


class GeneShare(NamedTuple):
    """``share`` of the variance that a gene explains alone, and the one that CHANCE of all shuffles stay below."""

    gene: str
    share: float
    chance: float

    @property
    def told(self) -> bool:
        """Whether it is more than chance gives."""
        return self.share > self.chance


def gene_shares(genomes: Sequence[Mapping[str, Choice]], values: Sequence[float], seed: int = 0) -> list[GeneShare]:
    """Of every gene that varies, the largest share first; empty if the values are all equal."""
    if len(set(values)) < 2:
        return []
    observed = np.array(values, dtype=np.float64)
    observed -= observed.mean()
    rng = np.random.default_rng(seed)
    shuffled = rng.permuted(np.tile(observed, (SHUFFLES, 1)), axis=1)
    shares = []
    for gene in genomes[0]:
        groups = _groups([genome[gene] for genome in genomes])
        if 1 < groups.shape[1] < len(observed):
            chance = float(np.quantile(_explained(groups, shuffled), CHANCE))
            shares.append(GeneShare(gene, float(_explained(groups, observed[None])[0]), chance))
    return sorted(shares, key=lambda share: -share.share)


def _groups(choices: Sequence[Choice]) -> Vector:
    """[n, k] one for the choice that a network has, of the k that occur, else zero."""
    _, codes = np.unique([repr(choice) for choice in choices], return_inverse=True)
    return np.eye(int(codes.max()) + 1)[codes]


def _explained(groups: Vector, values: Vector) -> Vector:
    """[m] adjusted shares of the variance of ``values`` [m, n] of mean zero; never below zero."""
    (networks, choices), total = groups.shape, (values**2).sum(axis=1)
    between = ((values @ groups) ** 2 / groups.sum(axis=0)).sum(axis=1)
    inside = (total - between) / (networks - choices)
    shares: Vector = np.clip((between - (choices - 1) * inside) / total, 0.0, 1.0)
    return shares


def importance_section(view: RunView) -> Html:
    """A table of genes with bars: for the loss, and for the search's own latency."""
    networks = [record for record in view.records if record.duplicate_of is None and record.number in view.genomes]
    scored = [record for record in view.scored if record.number in view.genomes]
    targets = {
        "loss": {record.number: record.bits_per_byte for record in scored if record.bits_per_byte is not None},
        "latency": {record.number: log(record.latency_ms) for record in networks if record.latency_ms > 0},
    }
    few = [f"the {name} of {len(of)}" for name, of in targets.items() if len(of) < FEWEST]
    if len(few) == len(targets):
        return element("p", f"Too few networks: {' and '.join(few)} is known, and it takes {FEWEST}.")
    columns = {
        name: {share.gene: share for share in gene_shares([view.genomes[number] for number in of], list(of.values()))}
        for name, of in targets.items()
        if len(of) >= FEWEST
    }
    counts = {name: len(targets[name]) for name in columns}
    rest = f" Too few networks for {' and '.join(few)} ({FEWEST} are needed)." if few else ""
    return join([_table(columns, counts), element("p", _CAPTION + rest, class_="caption")])


_CAPTION = (
    "The share of the variance (of the loss; of the logarithm of the predicted latency) that a gene explains alone, "
    "adjusted for its number of choices. The mark on a bar is what 95 % of shuffles stay below: a bar that ends left "
    "of it says nothing. Losses that are extrapolated count too. A sampler moves genes together, and then all of them "
    "get what only one of them does; effects of two genes together are not in here."
)


def _table(columns: Mapping[str, Mapping[str, GeneShare]], counts: Mapping[str, int]) -> Html:
    first = next(iter(columns.values()))
    genes = list(dict.fromkeys([*first, *(gene for column in columns.values() for gene in column)]))
    heads = [Column("gene"), *(Column(f"{name}, n = {counts[name]:,}") for name in columns)]
    rows = ([gene, *(_bar(column.get(gene)) for column in columns.values())] for gene in genes)
    return table(heads, rows, class_="shares")


def _bar(share: GeneShare | None) -> Html:
    if share is None:
        return Html(figures.NONE)
    bar = element(
        "span",
        element("i", class_="told" if share.told else "untold", style=f"width:{100 * share.share:.1f}%"),
        element(
            "b", style=f"left:{100 * min(share.chance, 0.995):.1f}%", title=f"chance: {figures.percent(share.chance)}"
        ),
        class_="share",
    )
    text = figures.percent(share.share, 0)
    return join([bar, element("span", text if share.told else f"{text} (chance)", class_="value")])
