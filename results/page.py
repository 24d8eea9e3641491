"""Pages that need neither a network nor, but for pictures, JavaScript."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from nas_search.results.html import Html, element, join
from nas_search.results.plots import figure_html

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# A browser then refuses to load anything from anywhere, whatever a string in the content says.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def page(title: str, *content: str) -> str:
    """A whole document, with style sheet and plotly.js (about 5 MB)."""
    document = element("html", _head(title), element("body", *content), lang="en")
    return f"<!doctype html>\n{document}\n"


def picture(figure: Figure, identifier: str, caption: str) -> Html:
    """A figure with what it shows below it; its place on a page has the ``identifier``."""
    without = element("noscript", element("p", "The picture needs JavaScript; the tables below have its figures."))
    drawn = element("div", Html(figure_html(figure, identifier)), class_="figure")
    return join([without, drawn, element("p", caption, class_="caption")])


def script(name: str) -> Html:
    """A script of this package."""
    return element("script", Html(_resource(name)))


def _head(title: str) -> Html:
    from plotly.offline import get_plotlyjs

    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Html(_resource("report.css"))),
        element("script", Html(get_plotlyjs())),
    )


def _resource(name: str) -> str:
    return files("nas_search.results").joinpath(name).read_text(encoding="utf-8")
