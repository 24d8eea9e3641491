"""``nas-search dashboard`` on the command line."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIServer

import pytest

sys.path.append(str(Path(__file__).parent.parent / "results"))

from study_maker import make_study

Cli = Callable[..., Any]
HEAVY = {"torch", "optuna", "optuna_dashboard", "plotly", "pandas", "scipy"}
# Where tests run in the background, Ctrl-C is ignored unless it is asked for.
MAIN = (
    "import signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "sys.argv = ['nas-search', *sys.argv[1:]]\nfrom nas_search.cli.main import main\nmain()"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("run"), proposals=6, confirm=False, unfinished=True).run_dir


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C as soon as it serves."""

    def serve(server: WSGIServer, poll_interval: float = 0.5) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(WSGIServer, "serve_forever", serve)


def test_it_serves_a_run_until_it_is_interrupted(run: Path) -> None:
    arguments = [sys.executable, "-c", MAIN, "dashboard", str(run), "--port", "0", "--json"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            told = json.loads(process.stdout.readline())
            assert told["run"] == str(run) and told["url"].startswith("http://127.0.0.1:")
            with urllib.request.urlopen(told["url"], timeout=60) as page:
                assert b"Optuna Dashboard" in page.read()
            base = told["url"].partition("/dashboard")[0]
            with urllib.request.urlopen(f"{base}/api/studies/0", timeout=60) as answer:
                assert len(json.load(answer)["trials"]) == 6
        finally:
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "")


def test_it_says_where_to_look(nas_search: Cli, run: Path, interrupted: None) -> None:
    outcome = nas_search("dashboard", run, "--port", 0)
    assert outcome.code == 130
    assert outcome.out.startswith("http://127.0.0.1:") and outcome.out.endswith("/dashboard/studies/0\n")
    assert outcome.err == f"following {run}; Ctrl-C ends it, the run is only read\n"


def test_other_machines_are_let_in_only_with_a_warning(nas_search: Cli, run: Path, interrupted: None) -> None:
    outcome = nas_search("dashboard", run, "--port", 0, "--host", "0.0.0.0")
    assert outcome.err.startswith("nas-search: warning: every machine that reaches 0.0.0.0 can read this run\n")


def test_a_port_in_use_is_one_line(nas_search: Cli, run: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = nas_search("dashboard", run, "--port", port)
    assert outcome.code == 2 and outcome.out == ""
    assert outcome.err == (
        f"nas-search: port {port} on 127.0.0.1: already in use; give another one with --port, or --port 0 for any "
        "that is free\n"
    )


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_does_not_exist_is_one_line(nas_search: Cli, run: Path, port: int) -> None:
    outcome = nas_search("dashboard", run, "--port", port)
    assert outcome.code == 2 and outcome.err.startswith("nas-search: Invalid value for '--port': ")
    assert len(outcome.err.splitlines()) == 1


def test_no_run_is_one_line(nas_search: Cli, tmp_path: Path) -> None:
    outcome = nas_search("dashboard", tmp_path / "nothing")
    assert outcome.code == 2
    assert outcome.err == f"nas-search: {tmp_path / 'nothing'}: not a run directory (there is nothing of that name)\n"


def test_without_the_package_it_says_how_to_get_it(nas_search: Cli, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    outcome = nas_search("dashboard", run)
    assert outcome.code == 2
    assert outcome.err == (
        "nas-search: the Optuna dashboard is not installed; pip install 'nas-search[dashboard]' has it\n"
    )


def test_help_needs_no_heavy_imports() -> None:
    code = (
        "import sys\nsys.argv = ['nas-search', 'dashboard', '--help']\nfrom nas_search.cli.main import main\n"
        f"try:\n    main()\nfinally:\n    print('heavy:', *sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip().splitlines()[-1] == "heavy:"
