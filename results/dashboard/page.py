"""The dashboard's page with a style of ours on top."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_PAGE = "/dashboard"


def styled(app: WSGIApplication) -> WSGIApplication:
    """Answers for every address of the page, which is one document; all else is left to ``app``."""
    page = _page()
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(page)))]

    def respond(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path != _PAGE and not path.startswith(f"{_PAGE}/"):
            return app(environ, start_response)
        start_response("200 OK", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [page]

    return respond


def _page() -> bytes:
    document = files("optuna_dashboard").joinpath("index.html").read_text(encoding="utf-8")
    style = files("nas_search.results.dashboard").joinpath("dashboard.css").read_text(encoding="utf-8")
    return document.replace("</head>", f"<style>\n{style}</style>\n</head>", 1).encode()
