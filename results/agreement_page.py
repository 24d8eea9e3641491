"""A page of how well proxies agree with a longer training: a picture, and the facts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas_search.results.axes import GUIDE, layout
from nas_search.results.html import Column, element, table
from nas_search.results.page import page, picture
from nas_search.results.palette import line_colour

if TYPE_CHECKING:
    from plotly.graph_objects import Figure, Scatter

    from nas_search.proxies import agreement

_ROW_HEIGHT, _MARGINS = 44, 110
_BETWEEN = 0.16

Cells = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Headings, and rows as wide."""


def agreement_html(found: agreement.Agreement, cells: Cells, facts: Sequence[str], wanted: float) -> str:
    """The page: a picture, in which ``wanted``, a tau, is marked, a table of ``cells``, and facts."""
    headings, rows = cells
    caption = (
        f"Kendall's tau-b of each proxy with {found.target}, with 95 % bootstrap intervals, n = {found.n}. The dotted "
        f"line is at {wanted:g}."
    )
    columns = [Column(heading, numeric=place > 0) for place, heading in enumerate(headings)]
    drawn = picture(agreement_figure(found, wanted), "agreement-figure", caption)
    return page(
        f"nas-search: agreement of proxies in {found.source}",
        element("h1", f"Agreement of proxies in {found.source}"),
        element("main", drawn, table(columns, rows)),
        *(element("p", fact) for fact in facts),
    )


def agreement_figure(found: agreement.Agreement, wanted: float) -> Figure:
    """Tau of each proxy, a line each, overall and inside bands of equal latency."""
    from plotly.graph_objects import Figure

    names = [proxy.name for proxy in found.proxies]
    figure = Figure(layout=layout(_MARGINS + _ROW_HEIGHT * len(names)))
    figure.add_trace(_taus("overall", [proxy.overall for proxy in found.proxies], names, 0, -_BETWEEN))
    if found.bands:
        title = f"inside {len(found.bands.networks)} bands of equal latency"
        figure.add_trace(_taus(title, [proxy.in_bands for proxy in found.proxies], names, 1, _BETWEEN))
    figure.add_vline(x=wanted, line=GUIDE)
    figure.update_xaxes(title_text="Kendall's tau-b (1: the same order, 0: none)")
    figure.update_yaxes(
        tickvals=list(range(len(names))), ticktext=names, range=[len(names) - 0.5, -0.5], showgrid=False
    )
    return figure


def _taus(
    title: str, correlations: Sequence[agreement.Correlation | None], names: Sequence[str], line: int, shift: float
) -> Scatter:
    from plotly.graph_objects import Scatter

    shown = [(place, found.tau) for place, found in enumerate(correlations) if found and found.tau]
    colour = line_colour(line)
    return Scatter(
        x=[tau.value for _, tau in shown],
        y=[place + shift for place, _ in shown],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, tau.high - tau.value) for _, tau in shown],
            "arrayminus": [max(0.0, tau.value - tau.low) for _, tau in shown],
            "color": colour,
            "thickness": 1.5,
            "width": 3,
        },
        mode="markers",
        name=title,
        marker={"size": 8, "color": colour},
        text=[f"<b>{names[place]}</b><br>{tau.value:.3f} [{tau.low:.3f}, {tau.high:.3f}]" for place, tau in shown],
        hovertemplate="%{text}<extra></extra>",
    )
