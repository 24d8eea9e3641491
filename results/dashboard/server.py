"""Serving a WSGI application to the browsers of this machine."""

from __future__ import annotations

import errno
import ipaddress
import socket
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from nas_search.errors import InputError

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


def make_server(app: WSGIApplication, host: str, port: int) -> WSGIServer:
    """A server that listens, with a thread for each request; port 0 is any free one.

    Raises InputError if the port is taken or not allowed, or there is no such host or none is given.
    """
    if not host:  # would listen everywhere
        raise InputError("host '': give an address, such as 127.0.0.1, which is this machine alone")
    kind = _Server6 if ":" in host else _Server
    try:
        server = kind((host, port), _Handler)
    except socket.gaierror as error:
        raise InputError(f"host {host!r}: {error.strerror}; 127.0.0.1 is this machine alone") from None
    except OSError as error:
        raise InputError(f"port {port} on {host}: {_why_not(error)}") from None
    server.set_app(app)
    return server


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def address(server: WSGIServer) -> str:
    """Where a browser finds it: ``http://127.0.0.1:8080``."""
    host, port = server.server_address[:2]
    name = host if isinstance(host, str) else host.decode()
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _why_not(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "already in use; give another one with --port, or --port 0 for any that is free"
    if error.errno == errno.EACCES:
        return "not allowed; give one above 1023 with --port, or --port 0 for any that is free"
    return f"{error.strerror}; give another --host or --port"


class _Server(ThreadingMixIn, WSGIServer):
    """A page asks for several things at once, and one answer must not wait for the others."""

    daemon_threads = True

    def server_bind(self) -> None:
        """Without asking a name server what this machine is called."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is no news."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    """Without a line for each request."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""
