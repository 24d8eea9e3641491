"""The dashboard answers browsers of this machine, not pages of others that point their name at it."""

from typing import Any

import pytest
from dashboard_client import ask

from nas_search.cli.dashboard import LOOPBACK
from nas_search.results.dashboard.hosts import only_by_own_name


@pytest.fixture
def app() -> Any:
    def answer(environ: Any, start: Any) -> list[bytes]:
        start("200 OK", [])
        return [b"secret"]

    return only_by_own_name(answer, "127.0.0.1")


def asked_as(app: Any, host: str) -> tuple[str, bytes]:
    said: list[str] = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_HOST": host}
    return b"".join(app(environ, lambda status, *_: said.append(status))), said[0]


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "LOCALHOST", "192.168.1.7:80"])
def test_by_its_address_and_as_localhost(app: Any, host: str) -> None:
    assert asked_as(app, host) == (b"secret", "200 OK")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "", "127.0.0.1.evil.example", "localhost.evil.example", "[::1", "a b"]
)
def test_not_under_a_name_of_others(app: Any, host: str) -> None:
    content, status = asked_as(app, host)
    assert status == "403 Forbidden" and b"secret" not in content


def test_the_name_that_was_asked_for_is_its_own() -> None:
    def answer(environ: Any, start: Any) -> list[bytes]:
        start("200 OK", [])
        return [b"secret"]

    assert asked_as(only_by_own_name(answer, "Box.example"), "box.example:8080")[1] == "200 OK"


def test_the_whole_application_looks_at_the_name(run: Any) -> None:
    from nas_search.results.dashboard.app import dashboard_app
    from nas_search.results.dashboard.mirror import Mirror

    app = dashboard_app(Mirror(run), LOOPBACK)
    assert ask(app, "/api/studies").status == "200 OK"
    for address in ("/api/studies", "/dashboard", "/artifacts/0/0-0", "/csv/0"):
        assert asked_as(app, "evil.example")[1] == "403 Forbidden"
        before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
        ask(app, address)
        assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
