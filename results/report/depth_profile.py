"""Which operators stand where: how often each is found along depth, in the best networks and in all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from nas_search.results import figures
from nas_search.results.html import Column, Html, element, join, table
from nas_search.results.palette import operator_colour, operator_title
from nas_search.results.strip import html_legend
from nas_search.search.front import LOSS_COORDINATE, ranks

if TYPE_CHECKING:
    from nas_search.results.view import RunView
    from nas_search.search.trial import TrialRecord
    from nas_search.space.architecture import Architecture

BINS = 12
BEST_SHARE = 0.1
FEWEST = 10

_SLICES = np.arange(BINS, dtype=np.float64)

Profile = Mapping[str, Sequence[float]]
"""By code of the operator its share of each of BINS slices of depth; all codes together fill every slice."""


def best_tenth(view: RunView) -> list[TrialRecord]:
    """The best tenth of the networks with a loss: by rank of non-domination, then by loss."""
    points = [view.goals.point(record) for record in view.scored]
    order = sorted(
        zip(ranks(points), (point[LOSS_COORDINATE] for point in points), view.scored, strict=True), key=_rank
    )
    return [record for _, _, record in order[: ceil(BEST_SHARE * len(order))]]


def _rank(entry: tuple[int, float, TrialRecord]) -> tuple[int, float, int]:
    rank, loss, record = entry
    return rank, loss, record.number


def depth_profile(networks: Sequence[Architecture]) -> Profile:
    """The mean over networks, each stretched to the same depth."""
    total: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
    for network in networks:
        edges = np.linspace(0, BINS, network.depth + 1)
        for operator, start, end in zip(network.operators, edges, edges[1:], strict=False):
            overlap = np.clip(np.minimum(end, _SLICES + 1) - np.maximum(start, _SLICES), 0, None)
            total[operator.code] = total.get(operator.code, 0) + overlap
    return {code: (sums / len(networks)).tolist() for code, sums in total.items()}


def depth_section(view: RunView) -> Html:
    """Two pictures, the best tenth beside all proposals, and a table of the shares in thirds of depth."""
    proposed = [view.networks[record.number] for record in view.records if record.duplicate_of is None]
    if len(view.scored) < FEWEST:
        return element("p", f"Too few networks with a loss: {len(view.scored)}, and it takes {FEWEST}.")
    best = [view.networks[record.number] for record in best_tenth(view)]
    profiles = [depth_profile(best), depth_profile(proposed)]
    names = [f"best tenth, n = {len(best)}", f"all proposals, n = {len(proposed):,}"]
    codes = [code for code in _codes(proposed) if any(code in profile for profile in profiles)]
    pictures = (_picture(name, profile, codes) for name, profile in zip(names, profiles, strict=True))
    few = f" {len(best)} networks are few: chance shows." if len(best) < 10 else ""
    caption = (
        "From the input (left) to the output (right), every network stretched to the same depth: how much of each "
        "slice an operator has. Best are those that come off first when fronts are taken off one by one, then those of "
        f"lower loss; extrapolated losses count too.{few}"
    )
    return join([
        html_legend(proposed),
        element("div", *pictures, class_="profiles"),
        element("p", caption, class_="caption"),
        _table(names, profiles, codes),
    ])  # fmt: skip


def _codes(networks: Iterable[Architecture]) -> list[str]:
    operators = [operator for network in networks for operator in network.operators]
    mixes = {operator.code: operator.mixes_tokens for operator in operators}
    return sorted(mixes, key=lambda code: (not mixes[code], code))


def _picture(name: str, profile: Profile, codes: Sequence[str]) -> Html:
    slices = (
        element(
            "span", *(_part(code, profile[code][index], index) for code in codes if code in profile), class_="slice"
        )
        for index in range(BINS)
    )
    label = f"Operators along depth, {name}; the table below has the figures"
    bars = element("div", *slices, class_="slices", role="img", aria_label=label)
    return element("figure", element("figcaption", name), bars)


def _part(code: str, share: float, index: int) -> Html:
    title = f"{operator_title(code)}, slice {index + 1} of {BINS}: {figures.percent(share, 0)}"
    return element("i", style=f"flex:{share:.4f};background:{operator_colour(code)}", title=title)


def _table(names: Sequence[str], profiles: Sequence[Profile], codes: Sequence[str]) -> Html:
    thirds = ("first third", "second third", "last third")
    columns = [
        Column("operator"),
        *(Column(f"{name.partition(',')[0]}, {t}", numeric=True) for name in names for t in thirds),
    ]
    rows = [
        [f"{code} {operator_title(code)}", *(text for profile in profiles for text in _thirds(profile.get(code)))]
        for code in codes
    ]
    return element("details", element("summary", "The shares as a table"), table(columns, rows))


def _thirds(shares: Sequence[float] | None) -> list[str]:
    found = list(shares or [0.0] * BINS)
    size = BINS // 3
    return [figures.percent(sum(found[start : start + size]) / size, 0) for start in range(0, BINS, size)]
