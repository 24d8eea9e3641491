"""Pages of a scaling law: the law with its figures, and a choice of depth and width by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas_search.results import figures
from nas_search.results.html import Column, Html, element, table
from nas_search.results.law_plots import choice_figure, law_figure
from nas_search.results.page import page, picture

if TYPE_CHECKING:
    from nas_search.proxies.law_points import LawPoints
    from nas_search.proxies.scaling_law import ScalingLaw
    from nas_search.search.depth_width import Choice


def law_html(law: ScalingLaw, points: LawPoints, facts: list[str]) -> str:
    """The page of a law and of the points that it was fitted on, of which those with most tokens are drawn."""
    tokens = float(points.tokens.max())
    shown = points.at_tokens(tokens)
    caption = (
        f"{len(shown)} of {len(points)} losses, those after {tokens:,.0f} tokens (points), and the law (lines), by "
        f"depth in operators."
    )
    if shown.latency_ms is not None:
        caption += " Lines go through the median latency of each depth and width."
    drawn = picture(law_figure(law, shown), "law-figure", caption)
    return page(
        f"nas-search: scaling law of {law.source}",
        element("h1", f"Scaling law of {law.source}"),
        *(element("p", fact) for fact in facts),
        element("main", drawn, _coefficients(law)),
    )


def choice_html(choice: Choice, facts: list[str]) -> str:
    """The page of a choice."""
    caption = (
        f"Loss after {choice.tokens:,.0f} tokens as the law predicts it, with 95 % bootstrap intervals, by depth in "
        f"operators; hollow points are outside of the law's data."
    )
    drawn = picture(choice_figure(choice), "choice-figure", caption)
    heading = element("h1", f"Depth and width for {choice.device}")
    paragraphs = (element("p", fact) for fact in facts)
    return page(f"nas-search: depth and width for {choice.device}", heading, *paragraphs, element("main", drawn))


def _coefficients(law: ScalingLaw) -> Html:
    columns = [Column("coefficient"), Column("value", numeric=True), Column("95 % interval", numeric=True)]
    rows = [
        [name, figures.significant(found.value), figures.interval(found.low, found.high)]
        for name, found in law.coefficients.items()
    ]
    return table(columns, rows)
