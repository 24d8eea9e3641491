"""The script for a GPU machine, with programs in place of the real ones: its order, and how it goes on."""

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nas_search.cli.main import app
from nas_search.profiler.workload import Workload
from nas_search.proxies.schedule import check_rungs
from nas_search.search.config import SearchConfig
from nas_search.search.rungs import Ladder
from nas_search.space.search_space import load_space

pytestmark = pytest.mark.skipif(shutil.which("timeout") is None, reason="needs GNU timeout, as machines with GPUs have")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "experiments" / "h100"
SCRIPT = FOLDER / "run.sh"
STEPS = [
    "doctor", "devices", "imports", "tests", "tiny-table", "paper-table", "paper-latency", "table-check", "kernels",
    "search",
]  # fmt: skip
# Notes how it was called; then it does what a file beside it says of calls like this one.
FAKE = """#!/usr/bin/env bash
here=$(dirname "$0")
printf '%s' "$(basename "$0")" >>"$here/calls"
printf ' %q' "$@" >>"$here/calls"
echo >>"$here/calls"
echo "output of $1"
while read -r pattern action; do
    if [[ "$*" == *$pattern* ]]; then eval "exec $action"; fi
done <"$here/actions"
"""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("nas-search", "python3"):
        (folder / name).write_text(FAKE)
        (folder / name).chmod(0o755)
    (folder / "actions").touch()
    return folder


def start(programs: Path, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", **variables}
    return subprocess.Popen(
        [SCRIPT, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=programs.parent,
        start_new_session=True,
    )


def run(programs: Path, *arguments: str, **variables: str) -> tuple[int, str, str]:
    """Exit code, output and errors."""
    process = start(programs, *arguments, **variables)
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def calls(programs: Path) -> list[str]:
    """Since the last time."""
    file = programs / "calls"
    lines = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return lines


def done(out: Path) -> set[str]:
    return {file.name for file in (out / "done").iterdir()}


def commands(programs: Path, *arguments: str) -> Iterator[tuple[str, list[str]]]:
    """Names and arguments of what it would run."""
    code, output, _ = run(programs, "--out", "results", *arguments, "--dry-run")
    assert code == 0
    for line in output.splitlines():
        name, _, command = line.partition(": ")
        yield name, shlex.split(command.replace("$'", "'"))


def test_a_dry_run_prints_the_commands_and_runs_nothing(programs: Path) -> None:
    found = dict(commands(programs, "--device", "h100"))
    assert list(found) == STEPS
    assert calls(programs) == []
    assert not (programs.parent / "results").exists()
    table = str(programs.parent / "results" / "paper.parquet")
    assert found["paper-table"][-2:] == ["--out", table]
    assert found["table-check"][:4] == ["nas-search", "table", "check", table]
    assert found["search"][found["search"].index("--table") + 1] == table
    for name in ("tiny-table", "paper-table", "paper-latency", "table-check", "search"):
        assert found[name][found[name].index("--device") + 1] == "h100"


def test_its_commands_are_understood(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options are parsed before help is printed."""
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(ROOT / "experiments" / "paper-latency")
    from measure import parse

    for name, (program, *arguments) in commands(programs):
        if program == "nas-search":
            result = CliRunner().invoke(app, [*arguments, "--help"])
            assert result.exit_code == 0, f"{name}: {result.output}"
        if "--space" in arguments:
            assert load_space(arguments[arguments.index("--space") + 1]).operator_specs()
        for option, value in pairwise(arguments):
            if option == "--workload":
                assert str(Workload.parse(value)) == value
    found = dict(commands(programs))
    assert parse(found["paper-latency"][2:]).out == programs.parent / "results" / "paper-latency"
    assert all((ROOT / found[name][1]).is_file() for name in ("paper-latency", "kernels"))


def test_the_search_is_a_possible_one() -> None:
    config = SearchConfig.from_yaml((FOLDER / "search.yaml").read_text(), "search.yaml")
    check_rungs(config.recipe, Ladder.build(config.tokens, config.lowest_rung).tokens)
    assert load_space(config.space).name == "paper"


def test_a_failed_step_costs_no_other_and_is_tried_again(programs: Path) -> None:
    out = programs.parent / "a folder"
    (programs / "actions").write_text("experiments/benchmarks bash -c 'exit 3'\ndevices bash -c 'exit 1'\n")
    code, output, errors = run(programs, "--out", str(out))
    assert code == 1
    assert errors.splitlines() == ["not finished: devices (exit code 1)", "not finished: kernels (exit code 3)"]
    assert len(calls(programs)) == len(STEPS)
    assert done(out) == set(STEPS) - {"devices", "kernels"}
    assert output.count("output of") == len(STEPS)
    assert (out / "logs" / "doctor.log").read_text() == "output of doctor\n"

    (programs / "actions").write_text("")
    code, output, errors = run(programs, "--out", str(out))
    assert (code, errors) == (0, "")
    assert [call.split()[1] for call in calls(programs)] == ["devices", "experiments/benchmarks/gpu_operators.py"]
    assert output.count("done before") == len(STEPS) - 2
    assert (out / "logs" / "devices.log").read_text() == "output of devices\n" * 2

    assert run(programs, "--out", str(out))[0] == 0
    assert calls(programs) == []


def test_without_time_left_nothing_more_is_begun(programs: Path) -> None:
    """A step that runs over its end is told to stop; SECONDS is what bash counts from its start."""
    out = programs.parent / "out"
    (programs / "actions").write_text("pytest sleep 50\n")
    code, output, errors = run(programs, "--out", str(out), "--minutes", "1", SECONDS="56")
    assert code == 1
    assert done(out) == {"doctor", "devices", "imports"}
    first, *others = errors.splitlines()
    assert first == "not finished: tests (exit code 124)"
    assert others == [f"not finished: {name} (no time left)" for name in STEPS[4:]]
    assert "== tests: exit code 124" in output


def test_an_interrupted_step_is_not_done(programs: Path) -> None:
    out = programs.parent / "out"
    (programs / "actions").write_text("pytest sleep 50\n")
    process = start(programs, "--out", str(out))
    for _ in range(300):
        if (programs / "calls").exists() and "pytest" in (programs / "calls").read_text():
            break
        time.sleep(0.1)
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "run.sh: interrupted; the same command goes on" in errors
    assert done(out) == {"doctor", "devices", "imports"}


def test_the_search_stops_proposing_before_the_time_is_over(programs: Path) -> None:
    found = dict(commands(programs, "--minutes", "90"))
    hours = float(found["search"][found["search"].index("--hours") + 1])
    assert hours == pytest.approx(1.0, abs=0.01)


def test_without_installation_the_package_is_run_from_its_folder(tmp_path: Path) -> None:
    process = subprocess.run(
        [SCRIPT, "--out", tmp_path / "out", "--dry-run"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert process.stdout.startswith("doctor: python3 -c from\\ nas_search.cli.main\\ import\\ main")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--out DIR is needed"),
        (["--out"], "--out needs a value"),
        (["--out", "x", "--minutes", "1.5"], "--minutes 1.5: a whole number of at least 1 is needed"),
        (["--out", "x", "--fast"], "unknown option '--fast'; there are --out, --device, --minutes and --dry-run"),
    ],
)
def test_bad_options_are_told_in_one_line(arguments: list[str], message: str, programs: Path) -> None:
    assert run(programs, *arguments) == (2, "", f"run.sh: {message}\n")
    assert calls(programs) == []
