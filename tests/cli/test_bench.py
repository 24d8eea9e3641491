"""``nas-search bench search``: whole commands on a tiny table."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bench_fakes import frame, write_table
from packed_page import unpacked

from nas_search.search.bench.names import contestant_names

Cli = Callable[..., Any]
COLUMNS = ("--genes", "width,depth,kind", "--loss", "bits", "--latency", "ms")
KEYS = {
    "hypervolume",
    "possible",
    "evaluations_to_reach",
    "differences",
    "seconds_per_proposal",
    "n_seeds",
    "table",
    "rows",
    "front",
    "best_hypervolume",
    "versions",
    "command",
    "workers",
}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_table(tmp_path / "tiny.csv")


def test_an_exhaustive_table_from_end_to_end(nas_search: Cli, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = ("--samplers", "random, evolution", "--trials", "24", "--seeds", "2", "--out", out)
    outcome = nas_search("bench", "search", "--table", table, *COLUMNS, *asked, "--json")
    assert outcome.code == 0, outcome.err
    document = outcome.document
    assert document.keys() > KEYS
    assert document["hypervolume"].keys() == {"random", "evolution"}
    assert document["hypervolume"]["random"]["24"].keys() == {"mean", "low", "high"}
    assert document["hypervolume"]["random"]["24"]["mean"] > 0.98
    assert document["evaluations_to_reach"]["random"].keys() == {"evolution"}
    assert document["seconds_per_proposal"]["random"].keys() == {"median", "p90", "n"}
    assert (document["rows"], document["reach_budget"], document["setting"]["trials"]) == (24, 24, 24)
    assert document["command"].startswith("nas-search bench search --table ")
    for words in ("24 rows", "normalised hypervolume", "what a peer (column) has at 24", "ms per proposal"):
        assert words in outcome.out
    assert "\\" not in outcome.out
    assert json.loads((out / "result.json").read_text()) == document
    picture = (out / "hypervolume.html").read_text()
    assert "Samplers on tiny.csv" in picture
    assert "evolution" in unpacked(picture, "benchmark-figure-data")

    again = nas_search("bench", "search", "--table", table, *COLUMNS, *asked)
    assert again.out.strip() == outcome.out.rpartition("\n{")[0].strip()


def test_an_interrupted_benchmark_says_how_to_go_on(
    nas_search: Cli, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nas_search.search.bench.run.run_benchmark", interrupted)
    outcome = nas_search("bench", "search", "--table", table, *COLUMNS, "--out", tmp_path / "out")
    assert (outcome.code, outcome.out) == (130, "")
    assert outcome.err == "Interrupted. The same command goes on where it was.\n"
    assert nas_search("bench", "search", "--table", table, *COLUMNS).err == ""


def test_the_definition_stands_in_the_help(nas_search: Cli) -> None:
    words = " ".join(nas_search("bench", "search", "--help").out.split())
    assert "each moved on by a tenth of its range over the table" in words
    assert "not in logarithms" in words
    for name in contestant_names():
        assert name in words.replace("- ", "-")


def test_without_a_command_there_is_help(nas_search: Cli) -> None:
    outcome = nas_search("bench")
    assert (outcome.code, outcome.out) == (2, "")
    assert "\n  search " in outcome.err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"--table": "missing.csv"}, "missing.csv: no such file"),
        ({"--loss": "bit"}, "no column 'bit': did you mean 'bits'?"),
        ({"--loss": "name"}, "not numeric"),
        ({"--genes": "width,depth"}, "repeat the genes of another"),
        ({"--genes": "width,,kind"}, "--genes 'width,,kind': names with commas between them"),
        ({"--cost": "second"}, "did you mean 'seconds'?"),
        ({"--samplers": "random,evolutoin"}, "unknown sampler 'evolutoin': did you mean 'evolution'?"),
        ({"--samplers": "random,random"}, "sampler random: given twice"),
        ({"--trials": "25"}, "25 trials: the table has only 24 rows"),
        ({"--trials": "0"}, "--trials"),
        ({"--seeds": "1"}, "--seeds"),
        ({"--workers": "0"}, "--workers"),
        ({"--jobs": "0"}, "--jobs"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    nas_search: Cli, table: Path, changes: dict[str, str], message: str
) -> None:
    pairs = dict(zip(COLUMNS[::2], COLUMNS[1::2], strict=True)) | {"--table": str(table), "--trials": "4"} | changes
    outcome = nas_search("bench", "search", *(word for pair in pairs.items() for word in pair))
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""


@pytest.mark.parametrize("column", ["bits", "ms"])
def test_a_row_without_a_figure_is_named(nas_search: Cli, tmp_path: Path, column: str) -> None:
    rows = frame()
    rows.loc[3, column] = float("nan")
    rows.to_parquet(tmp_path / "t.parquet", index=False)
    outcome = nas_search("bench", "search", "--table", tmp_path / "t.parquet", *COLUMNS)
    assert outcome.code == 2
    assert f"column '{column}': row 3 has no number" in outcome.err
    assert outcome.err.count("\n") == 1
