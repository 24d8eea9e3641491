"""The dashboard of a run as a WSGI application: Optuna's own, made to read only and to stay on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from nas_search.errors import InputError
from nas_search.results.dashboard.hosts import only_by_own_name
from nas_search.results.dashboard.mirror import Mirror
from nas_search.results.dashboard.page import styled
from nas_search.results.dashboard.study_note import READ_ONLY

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

PACKAGE = "optuna_dashboard"
_DETAIL = "/api/studies/<study_id:int>"
_READING = frozenset({"GET", "HEAD"})
_LIVE = ("/api/", "/artifacts/", "/csv/")
# Nothing from other hosts, whatever the page's code or a note asks for. WebGL plots evaluate code that they generate.
_PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# A file that is opened rather than saved, such as the report, runs its own scripts and asks nobody for anything.
_FILE_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_REPLACED = frozenset({"content-security-policy", "access-control-allow-origin", "x-content-type-options"})


def dashboard_app(mirror: Mirror, host: str = "localhost") -> WSGIApplication:
    """The application; browsers may ask it as ``host``. Raises InputError if the Optuna dashboard is not installed."""
    app = _optuna_app(mirror)
    app.install(_Notes(mirror))
    return only_by_own_name(_guarded(styled(_refreshing(app, mirror))), host)


def require_dashboard() -> None:
    """Raises InputError if the Optuna dashboard is not installed."""
    from importlib.util import find_spec

    if find_spec(PACKAGE) is None:
        raise InputError("the Optuna dashboard is not installed; pip install 'nas-search[dashboard]' has it")


def _optuna_app(mirror: Mirror) -> Any:
    from optuna_dashboard import wsgi

    return wsgi(mirror.storage, artifact_store=mirror.artifacts)


class _Notes:
    """A plugin of Bottle's that puts the notes of trials into what the page asks for.

    Kept in the study's attributes, where the dashboard keeps notes, they would be looked for among all others: with
    2,000 trials that takes most of the time of an answer.
    """

    name, api = "notes", 2

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    def apply(self, view: Callable[..., Any], route: Any) -> Callable[..., Any]:
        """The view with notes, or as it is where there are no trials."""
        if route.rule != _DETAIL or route.method != "GET":
            return view

        def with_notes(**arguments: Any) -> Any:
            found = view(**arguments)
            if isinstance(found, dict):
                for trial in (*found.get("trials", ()), *found.get("best_trials", ())):
                    trial["note"] = {"version": 1, "body": self._mirror.note(trial["number"])}
            return found

        return with_notes


def _refreshing(app: WSGIApplication, mirror: Mirror) -> WSGIApplication:
    """Reads the run again before an answer that tells of it."""

    def respond(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith(_LIVE):
            mirror.refresh()
        return app(environ, start_response)

    return respond


def _guarded(app: WSGIApplication) -> WSGIApplication:
    """Refuses whatever would change something, and binds browsers to this host."""

    def respond(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        policy = _FILE_POLICY if environ["PATH_INFO"].startswith("/artifacts/") else _PAGE_POLICY

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            kept = [(name, value) for name, value in headers if name.lower() not in _REPLACED]
            ours = [("Content-Security-Policy", policy), ("X-Content-Type-Options", "nosniff")]
            return start_response(status, kept + ours, *error)

        if environ["REQUEST_METHOD"] in _READING:
            return app(environ, start)
        start("403 Forbidden", [("Content-Type", "application/json")])
        return [json.dumps({"reason": READ_ONLY}).encode()]

    return respond
