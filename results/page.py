"""Pages that need neither a network nor, but for pictures, JavaScript.

Pictures and plotly.js are on a page as compressed text, which a browser unpacks and draws; that is a third of the size.
"""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from gzip import compress
from importlib.resources import files
from typing import TYPE_CHECKING

from nas_search.results.html import Html, element, join

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# A browser then refuses to load anything from anywhere, whatever a string in the content says.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def page(title: str, *content: str, scripts: tuple[Html, ...] = (), head: tuple[Html, ...] = ()) -> str:
    """A whole document, with style sheet and plotly.js (about 2 MB); ``scripts`` may wait for ``pictures``."""
    drawing = (_library(), script("nas_search.results", "pictures.js"), *scripts)
    document = element("html", _head(title, *head), element("body", *content, *drawing), lang="en")
    return f"<!doctype html>\n{document}\n"


def picture(figure: Figure, identifier: str, caption: str, label: str = "") -> Html:
    """A figure with what it shows below it; its place on a page has the ``identifier``."""
    from plotly.io import to_json

    height = f"min-height:{figure.layout.height}px"
    without = element("noscript", element("p", "The picture needs JavaScript; the tables below have its figures."))
    place = element(
        "div", id=identifier, class_="figure", style=height, role="group", aria_label=label or caption, data_picture=""
    )
    drawn = packed(f"{identifier}-data", str(to_json(figure, validate=False)))
    return join([without, place, drawn, element("p", caption, class_="caption") if caption else ""])


def packed(identifier: str, text: str) -> Html:
    """Text that a script of the page unpacks when it needs it."""
    data = b64encode(compress(text.encode(), 6, mtime=0)).decode()
    return element("script", Html(data), type="text/plain", id=identifier)


def script(package: str, name: str) -> Html:
    """A script of one of our packages."""
    return element("script", Html(_resource(package, name)))


@cache
def _library() -> Html:
    """What draws, as Plotly's Python package has it; compressed once, since a live report is written often."""
    from plotly.offline import get_plotlyjs

    return packed("plotly", str(get_plotlyjs()))


def _head(title: str, *more: Html) -> Html:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        *more,
        element("title", title),
        element("style", Html(_resource("nas_search.results", "page.css"))),
    )


def _resource(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")
