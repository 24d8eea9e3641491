"""The names under which a browser may ask: a page of somebody else's cannot, by pointing its own name at this machine.

That is DNS rebinding: without a look at the ``Host`` header, any page that a browser shows could read a run.
"""

from __future__ import annotations

import ipaddress
import json
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

REFUSED = "This name is not one of the dashboard's; ask by its address, or start it with --host NAME."


def only_by_own_name(app: WSGIApplication, host: str) -> WSGIApplication:
    """``app``, for requests to an address, to ``localhost``, to this machine's name or to ``host``."""
    names = frozenset(
        name.lower() for name in ("localhost", host, socket.gethostname(), f"{socket.gethostname()}.local")
    )

    def respond(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        asked = _host(environ.get("HTTP_HOST", ""))
        if asked in names or _is_address(asked):
            return app(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff")])
        return [json.dumps({"reason": REFUSED}).encode()]

    return respond


def _host(header: str) -> str:
    """The name or address of a ``Host`` header; empty if it has none."""
    try:
        return (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
