"""How well short trainings rank networks as longer ones do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_search.proxies.rank_correlation import draw_resamples, equal_bands, order, tau, taus
from nas_search.results import figures
from nas_search.results.html import Column, Html, element, join, table

if TYPE_CHECKING:
    from nas_search.results.view import RunView
    from nas_search.search.trial import Confirmation, TrialRecord

FEWEST, FEW = 8, 20
"""With fewer networks pairs are counted instead; below the second number it is said that they are few."""
MOST = 2000
"""More networks are thinned out to so many: a matrix of their pairs is needed."""
RESAMPLES = 500
BANDS, FEWEST_IN_BAND = 4, 5

Vector = NDArray[np.float64]


class Pairs(NamedTuple):
    """Two scores of the same networks, less is better in both; ``latencies`` are the predicted ones."""

    name: str
    short: Vector
    long: Vector
    latencies: Vector


class Tau(NamedTuple):
    """Kendall's tau-b with its 95 % bootstrap interval over networks."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


class Agreement(NamedTuple):
    """Of n networks: Kendall's tau-b, and if n allows it of the pairs inside quarters of equal latency.

    ``alike`` of ``compared`` pairs of networks stand in the same order in both scores.
    """

    name: str
    n: int
    tau: Tau | None
    inside: float | None
    alike: int
    compared: int


def agreements(view: RunView) -> list[Agreement]:
    """Of the rungs with the top, of the search with the confirmation, and what to hold them against."""
    return [agreement(pairs) for pairs in _all_pairs(view) if len(pairs.short)]


def agreement(pairs: Pairs, seed: int = 0) -> Agreement:
    """Without correlations if there are fewer than FEWEST networks, or one of the two scores is always the same."""
    n = len(pairs.short)
    signs = np.triu(order(pairs.short, pairs.long))
    counted = int((signs > 0).sum()), int((signs != 0).sum())
    value = tau(pairs.short, pairs.long)
    if n < FEWEST or np.isnan(value):
        return Agreement(pairs.name, n, None, None, *counted)
    resampled = taus(pairs.short, pairs.long, draw_resamples(n, RESAMPLES, seed))
    low, high = np.nanquantile(resampled, [0.025, 0.975])
    return Agreement(pairs.name, n, Tau(value, float(low), float(high)), _inside_bands(pairs), *counted)


def _inside_bands(pairs: Pairs) -> float | None:
    if len(pairs.short) < BANDS * FEWEST_IN_BAND:
        return None
    found = tau(pairs.short, pairs.long, equal_bands(pairs.latencies, BANDS))
    return None if np.isnan(found) else found


def _all_pairs(view: RunView) -> Iterator[Pairs]:
    complete = [record for record in view.records if record.state == "complete" and record.rung == view.ladder.top]
    top = [record.rung_scores[-1] for record in complete]
    for rung, tokens in enumerate(view.ladder.tokens[:-1]):
        yield _pairs(f"{tokens:,} tokens against {view.ladder.tokens[-1]:,}", complete, _at(complete, rung), top)
    fewer = [-float(record.parameters) for record in complete]
    yield _pairs("number of parameters alone against the same", complete, fewer, top)
    confirmed = [(record, record.confirmed) for record in view.confirmed if record.confirmed]
    if not confirmed:
        return
    records = [record for record, _ in confirmed]
    tokens = confirmed[0][1].tokens
    means = [confirmation.bits_per_byte for _, confirmation in confirmed]
    searched = [record.bits_per_byte or 0.0 for record in records]
    yield _pairs(f"searched ({view.ladder.tokens[-1]:,}) against confirmed ({tokens:,})", records, searched, means)
    seeds = [_two_seeds(confirmation) for _, confirmation in confirmed if len(confirmation.scores) > 1]
    if len(seeds) == len(confirmed):
        yield _pairs("one seed of the confirmation against another", records, *map(list, zip(*seeds, strict=True)))


def _at(records: Sequence[TrialRecord], rung: int) -> list[float]:
    return [record.rung_scores[rung] for record in records]


def _two_seeds(confirmation: Confirmation) -> tuple[float, float]:
    return confirmation.scores[0].bits_per_byte, confirmation.scores[1].bits_per_byte


def _pairs(name: str, records: Sequence[TrialRecord], short: Sequence[float], long: Sequence[float]) -> Pairs:
    latencies = [record.latency_ms for record in records]
    kept = np.linspace(0, len(records) - 1, min(len(records), MOST), dtype=int)
    return Pairs(name, *(np.array(values, dtype=np.float64)[kept] for values in (short, long, latencies)))


def agreement_section(view: RunView) -> Html:
    """A table, and in words how far it goes."""
    found = agreements(view)
    if not found:
        return element("p", "No network reached the top rung yet.")
    columns = [Column("ranks compared"), *(Column(name, numeric=True) for name in _HEADINGS)]
    rows = [[one.name, str(one.n), _tau_text(one), _text(one.inside)] for one in found]
    return join([table(columns, rows), element("p", _words(found), class_="caption")])


_HEADINGS = ("n", "Kendall's τ", "τ in quarters of latency")


def _tau_text(found: Agreement) -> str:
    """A count says more than a correlation of so few that no interval is worth anything."""
    if found.tau is not None:
        return str(found.tau)
    return f"{found.alike} of {found.compared} pairs alike" if found.compared else figures.NONE


def _text(value: float | None) -> str:
    return figures.NONE if value is None else f"{value:.2f}"


def _words(found: Sequence[Agreement]) -> str:
    words = (
        "1 is the same order, 0 none. Brackets are 95 % bootstrap intervals over networks. Only what reached the top "
        "rung is compared, a choice of the better ones, which lowers the agreement; lower rungs are trainings of the "
        "same seed that went on, which raises it. Over all sizes the number of parameters alone ranks well, so the "
        "last column, of the pairs inside four bands of equal latency, says more."
    )
    if any(one.n == MOST for one in found):
        words += f" More networks than {MOST:,} were thinned out evenly."
    if any(one.n < FEWEST for one in found):
        words += f" With n below {FEWEST} there is no correlation, only how many pairs stand in the same order in both."
    if any(FEWEST <= one.n < FEW for one in found):
        words += f" With n below {FEW} the intervals are wide: take these ranks as a hint, not as a finding."
    if any(one.n < BANDS * FEWEST_IN_BAND for one in found):
        words += f" The last column takes n of {BANDS * FEWEST_IN_BAND}."
    return words
