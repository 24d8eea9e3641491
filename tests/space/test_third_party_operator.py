"""The example of ``docs/extending.md``: the files are those that it shows, and they work when they are installed."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "experiments" / "example-operator"
NOT_SOURCE = shutil.ignore_patterns("build", "*.egg-info", "__pycache__", ".*")
COMMAND = "from nas_search.cli.main import main; main()"
# Small enough to train in seconds: the search is about the operator, not about what it finds.
SMALL = {"stages": ["only"], "mixers": ["mingru"], "ratios": ["0:1"], "interleave": ["none"], "max_repeats": 2}
RECIPE = {"sequence_length": 64, "batch": 4, "warmup_tokens": 512, "validation_tokens": 1024}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as somebody would have it who copied it: without what builds leave behind."""
    return Path(shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("source") / "package", ignore=NOT_SOURCE))


@pytest.fixture(scope="module")
def environment(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables of a process that finds the package, installed."""
    site = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", site, source], check=True)
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(site), *filter(None, sys.path)])}


def run(environment: dict[str, str], *arguments: object, cwd: Path) -> str:
    """Standard output of Python with these arguments, which must end well."""
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def last_line(output: str) -> dict[str, object]:
    document: dict[str, object] = json.loads(output.strip().rpartition("\n")[2])
    return document


def test_the_document_shows_the_files_as_they_are(source: Path) -> None:
    text = (ROOT / "docs" / "extending.md").read_text()
    shown = dict(re.findall(r"^`(\S+)`:\n\n```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    files = {path.relative_to(source).as_posix(): path.read_text() for path in source.rglob("*") if path.is_file()}
    del files["README.md"]
    assert shown == files


def test_the_command_line_knows_the_operator(environment: dict[str, str], tmp_path: Path) -> None:
    shown = last_line(run(environment, "-c", COMMAND, "show", "w256 (mingru f)x4", "--json", cwd=tmp_path))
    assert shown["operators"] == {"mingru": 4, "f": 4}


def test_its_space_is_one(environment: dict[str, str], source: Path, tmp_path: Path) -> None:
    load = "import sys; from nas_search.space.search_space import load_space; print(load_space(sys.argv[1]).mixers)"
    assert "mingru[expand=2]" in run(environment, "-c", load, source / "space.yaml", cwd=tmp_path)


def test_it_passes_the_conformance_suite(environment: dict[str, str], source: Path) -> None:
    output = run(environment, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", cwd=source)
    passed = re.search(r"(\d+) passed", output)
    assert passed and int(passed[1]) > 100
    assert "skipped" not in output


def test_the_table_of_errors_has_it(environment: dict[str, str]) -> None:
    table = last_line(run(environment, "experiments/conformance/table.py", "mingru", "f[ratio=2]", cwd=ROOT))
    assert table["passed"] is True
    errors = table["errors"]
    assert isinstance(errors, dict)
    assert list(errors) == ["mingru", "f[ratio=2]"]
    assert 0 < errors["mingru"]["forward against the recurrence"] < 1e-10


@pytest.mark.slow
def test_a_search_trains_networks_with_it(environment: dict[str, str], source: Path, tmp_path: Path) -> None:
    space = yaml.safe_load((source / "space.yaml").read_text()) | SMALL | {"widths": [32], "max_operators": 4}
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(space))
    (tmp_path / "text.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 2000)
    config = {"recipe": RECIPE, "lowest_rung": 4096, "confirm_members": 1, "confirm_seeds": 1, "data": "text.txt"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    options = ["--space", "space.yaml", "--config", "config.yaml", "--run", "run"]
    small = ["--trials", "2", "--tokens", "12288", "--workload", "decode:64", "--json"]
    found = last_line(run(environment, "-c", COMMAND, *options, *small, cwd=tmp_path))
    trials = found["trials"]
    assert isinstance(trials, list)
    trained = [trial for trial in trials if trial["state"] == "complete" and "mingru" in trial["architecture"]]
    assert trained and all(trial["bits_per_byte"] < 8 for trial in trained)
    load = "import sys, nas_search; print(len(nas_search.load(sys.argv[1]).generate_text('the ', new_tokens=8)))"
    assert int(run(environment, "-c", load, "run/winner", cwd=tmp_path)) > len("the ")
