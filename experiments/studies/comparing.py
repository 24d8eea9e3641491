"""Comparisons of a study as a table, a picture and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from paired import Paired
from rich.box import SIMPLE
from rich.table import Table

from nas_search.results.html import Column as HtmlColumn
from nas_search.results.html import Html, element, join
from nas_search.results.html import table as html_table

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

HEADINGS = ("comparison", "difference", "95 % interval", "n", "p", "p, all together", "")
CAPTION = (
    "Differences of bits per byte, the first less the second, paired by seed, with 95 % t intervals; below zero the "
    "first is better. Filled: significant at 5 % in a paired t test, corrected for all comparisons (Holm)."
)
_ROW_HEIGHT, _MARGINS = 30, 90
Rows = Mapping[str, Paired]


class Analysis(NamedTuple):
    """What an analysis gives: tables for people, a document for machines, and a page."""

    tables: Sequence[Table | str]
    document: dict[str, Any]
    page: str


def comparison_table(rows: Rows) -> Table:
    """A row for each."""
    shown = Table(*HEADINGS, box=SIMPLE)
    for row in _cells(rows):
        shown.add_row(*row)
    return shown


def comparison_html(rows: Rows) -> Html:
    """The picture and the table."""
    from nas_search.results.page import picture

    columns = [HtmlColumn(heading, numeric=0 < place < 6) for place, heading in enumerate(HEADINGS)]
    drawn = picture(comparison_figure(rows), "comparison-figure", CAPTION)
    return join([drawn, html_table(columns, _cells(rows))])


def comparison_page(title: str, rows: Rows, facts: Sequence[str], *more: Html) -> str:
    """A whole page."""
    from nas_search.results.page import page

    return page(
        f"nas-search: {title}",
        element("h1", title),
        *(element("p", fact) for fact in facts),
        element("main", comparison_html(rows), *more),
    )


def comparison_document(rows: Rows) -> dict[str, Any]:
    """For JSON."""
    return {name: {**found.model_dump(), "significant": found.significant} for name, found in rows.items()}


def comparison_figure(rows: Rows) -> Figure:
    """A line for each, from the lower to the upper end of its interval."""
    from plotly.graph_objects import Figure, Scatter

    from nas_search.results.axes import layout
    from nas_search.results.palette import line_colour

    known = [(name, found) for name, found in rows.items() if found.mean is not None]
    names = [name for name, _ in known]
    means = [found.mean or 0.0 for _, found in known]
    halves = [0.0 if found.high is None else found.high - mean for (_, found), mean in zip(known, means, strict=True)]
    figure = Figure(layout=layout(_MARGINS + _ROW_HEIGHT * len(names)))
    symbols = ["circle" if found.significant else "circle-open" for _, found in known]
    error = {"type": "data", "array": halves, "thickness": 1.5, "width": 3, "color": line_colour(0)}
    marker = {"size": 9, "color": line_colour(0), "symbol": symbols}
    figure.add_trace(
        Scatter(x=means, y=names, error_x=error, mode="markers", marker=marker, showlegend=False, hoverinfo="x+y")
    )
    figure.add_vline(x=0, line={"width": 1, "color": line_colour(7)})
    figure.update_xaxes(title_text="difference, bits per byte (below zero: the first is better)")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure


def _cells(rows: Rows) -> list[list[str]]:
    return [
        [
            name,
            _signed(found.mean) if found.mean is not None else "a training failed",
            "" if found.low is None else f"[{_signed(found.low)}, {_signed(found.high)}]",
            str(found.n),
            _p(found.p),
            _p(found.p_holm),
            "significant" if found.significant else "",
        ]
        for name, found in rows.items()
    ]


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.4f}"


def _p(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"
