"""The dashboard reads only, and stays on this machine."""

import json
import sys
import threading
import urllib.request
from wsgiref.types import WSGIApplication

import pytest
from dashboard_client import ask

from nas_search.errors import InputError
from nas_search.results.dashboard.app import dashboard_app, require_dashboard
from nas_search.results.dashboard.mirror import Mirror
from nas_search.results.dashboard.server import address, is_loopback, make_server
from nas_search.search.study import Study


@pytest.fixture(scope="module")
def app(study: Study) -> WSGIApplication:
    return dashboard_app(Mirror(study.run_dir))


@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        ("DELETE", "/api/studies/0", {}),
        ("POST", "/api/studies", {"study_name": "x", "directions": ["minimize"]}),
        ("POST", "/api/studies/0/rename", {"study_name": "x"}),
        ("PUT", "/api/studies/0/note", {"version": 9, "body": "x"}),
        ("PUT", "/api/studies/0/3/note", {"version": 2, "body": "x"}),
        ("POST", "/api/trials/3/tell", {"state": "Fail"}),
        ("POST", "/api/trials/3/user-attrs", {"user_attrs": {"x": 1}}),
        ("POST", "/api/artifacts/0", {"file": "data:text/plain;base64,eA==", "filename": "x"}),
        ("DELETE", "/api/artifacts/0/0-1", {}),
    ],
)
def test_what_would_change_something_is_refused(
    app: WSGIApplication, method: str, address: str, body: dict[str, object]
) -> None:
    before = ask(app, "/api/studies/0").json
    answer = ask(app, address, method, json.dumps(body).encode())
    assert answer.status == "403 Forbidden"
    assert answer.json == {
        "reason": "This dashboard only reads the run: what is edited, renamed or deleted here is refused."
    }
    assert ask(app, "/api/studies/0").json == before


@pytest.mark.parametrize("address", ["/dashboard", "/dashboard/studies/0/trials", "/api/studies/0", "/artifacts/0/0-1"])
def test_browsers_are_told_to_ask_no_other_host(app: WSGIApplication, address: str) -> None:
    headers = ask(app, address).headers
    policy = dict(rule.strip().split(" ", 1) for rule in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] in {"'self'", "'none'"}
    sources = {source for rule in policy.values() for source in rule.split()}
    assert sources <= {"'self'", "'none'", "'unsafe-inline'", "'unsafe-eval'", "data:", "blob:"}
    assert "Access-Control-Allow-Origin" not in headers
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_is_the_dashboards_with_our_style(app: WSGIApplication) -> None:
    answer = ask(app, "/dashboard/studies/0")
    assert b'src="/static/bundle.js"' in answer.body and b"user-defined-plot:front" in answer.body
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert ask(app, "/dashboard/studies/0", "HEAD").body == b""


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    with pytest.raises(InputError, match=r"pip install 'nas-search\[dashboard\]'"):
        require_dashboard()


@pytest.mark.parametrize(
    ("host", "only_here"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.1.2.3", True), ("0.0.0.0", False), ("a.b", False)],
)
def test_loopback_is_known(host: str, only_here: bool) -> None:
    assert is_loopback(host) is only_here


def test_it_is_served_to_this_machine_and_a_second_one_is_told(
    app: WSGIApplication, capfd: pytest.CaptureFixture[str]
) -> None:
    with make_server(app, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        base = address(server)
        with urllib.request.urlopen(f"{base}/api/studies", timeout=60) as answer:
            assert json.load(answer)["study_summaries"][0]["directions"] == ["minimize", "minimize"]
        port = int(base.rpartition(":")[2])
        with pytest.raises(InputError, match=f"port {port} on 127.0.0.1: already in use; give another one with --port"):
            make_server(app, "127.0.0.1", port)
        server.shutdown()
    assert capfd.readouterr().err == ""


def test_an_unknown_host_is_bad_input(app: WSGIApplication) -> None:
    with pytest.raises(InputError, match="host '::nowhere': "):
        make_server(app, "::nowhere", 0)
    with pytest.raises(InputError, match=r"host '': give an address, such as 127\.0\.0\.1"):
        make_server(app, "", 0)
