"""Commands that need no search."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from heavy_imports import imported

from nas_search.space.zoo import load_zoo

Cli = Callable[..., Any]

# Each takes a long time to import, and none is needed to answer --help or to count an architecture.
HEAVY = {"torch", "pandas", "optuna", "plotly", "pyarrow", "scipy", "transformers"}


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["show", "w64 a f"], ["table", "--help"], ["compare", "--help"], ["bench", "search", "--help"]],
)
def test_answers_without_heavy_imports(arguments: list[str]) -> None:
    assert imported(arguments, HEAVY) == set()


def test_show_counts_a_zoo_member(nas_search: Cli) -> None:
    document = nas_search("show", "nemotron-flash-1b", "--json").document
    assert document["parameters"] == 965_389_440
    assert document["operators"] == {"d": 4, "f": 12, "m2": 6, "a": 2}


def test_show_reads_a_file(nas_search: Cli, tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(load_zoo("qwen3-0.6b").to_yaml())
    assert nas_search("show", path, "--json").document["parameters"] == 596_049_920


def test_show_for_people_has_the_strip_and_the_figures(nas_search: Cli) -> None:
    outcome = nas_search("show", "w2048 (d f m2 f a f m2 f)x2 (d f m2 f)x2")
    assert outcome.code == 0
    assert "DeltaNet" in outcome.out
    assert "24 operators" in outcome.out


def test_devices_lists_the_cpu(nas_search: Cli) -> None:
    (device,) = nas_search("devices", "--json").document["devices"]
    assert device["name"] == "cpu"
    assert device["id"].startswith("cpu-")


def test_version(nas_search: Cli) -> None:
    import nas_search as package

    assert nas_search("--version").out.strip() == package.__version__


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "w128 (a f"], "column 10: ')' is missing"),
        (["show", "w128 a zz"], "column 8: unknown operator 'zz'"),
        (["show", "w128 a[heads=3]"], "heads=3 does not divide the width 128"),
        (["show", "quen3-0.6b"], "qwen3-0.6b"),
        (["show", "missing.yaml"], "missing.yaml"),
        (["show"], "ARCH"),
        (["profile", "w64 a", "--device", "abacus"], "unknown device 'abacus'"),
        (["profile", "w64 a", "--workload", "juggle:3"], "juggle"),
        (["table", "show", "missing.parquet"], "missing.parquet"),
        (["table", "record", "--out", "/nowhere/t.parquet"], "/nowhere"),
        (["front", "missing-run"], "missing-run"),
        (["--frobnicate"], "--frobnicate"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(nas_search: Cli, arguments: list[str], message: str) -> None:
    outcome = nas_search(*arguments)
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""
