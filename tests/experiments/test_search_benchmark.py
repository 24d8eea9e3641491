"""The tables of experiments/search-benchmark, and the script that runs them all."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from nas_search.search.bench.table_file import TableColumns, read_search_table

FOLDER = Path(__file__).parents[2] / "experiments" / "search-benchmark"
MACRO = (
    "embed_dim", "n_layer", "bias", "mlp_early", "mlp_middle", "mlp_late", "heads_early", "heads_middle", "heads_late",
)  # fmt: skip
POOL = ("embed_dim", "n_layer", "bias", *(f"{part}_{layer}" for part in ("mlp", "head") for layer in range(12)))


@pytest.mark.parametrize(("name", "genes", "rows"), [("macro", MACRO, 13_122), ("pool", POOL, 10_000)])
def test_tables_can_be_searched_in(name: str, genes: tuple[str, ...], rows: int) -> None:
    path = FOLDER / "tables" / f"hwgpt_s_{name}.parquet"
    assert path.stat().st_size < 1.5e6
    for device in ("h100", "a100", "rtx3080", "cpu_alldlc"):
        table = read_search_table(path, TableColumns(genes, "perplexity", f"lat_{device}_ms"))
        assert len(table.rows) == rows
    points = list(zip(table.latencies.tolist(), table.losses[:, -1].tolist(), strict=True))
    # What is fastest is not best, else there would be nothing to trade.
    assert min(points)[1] > min(loss for _, loss in points)


def test_the_script_asks_for_all_genes(tmp_path: Path) -> None:
    """With a program in the place of nas-search that prints what it is asked."""
    program = tmp_path / "nas-search"
    program.write_text('#!/bin/sh\necho "asked: $*"\n')
    program.chmod(0o755)
    done = subprocess.run(
        [FOLDER / "run.sh", "--out", tmp_path / "out", "--samplers", "random", "macro-cpu", "pool-h100"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    macro, pool = (line for line in done.stdout.splitlines() if line.startswith("asked: "))
    assert f"--genes {','.join(MACRO)} --loss perplexity --latency lat_cpu_alldlc_ms --samplers random" in macro
    assert f"--genes {','.join(POOL)} --loss perplexity --latency lat_h100_ms --samplers random" in pool
    assert (tmp_path / "out" / "macro-cpu" / "table.txt").read_text().startswith("asked: bench search --table")


@pytest.mark.parametrize("arguments", [[], ["--frobnicate"], ["--out"], ["--out", "x", "macro-h200"]])
def test_the_script_refuses_what_it_does_not_know(arguments: list[str], tmp_path: Path) -> None:
    done = subprocess.run([FOLDER / "run.sh", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("run.sh: ")
    assert list(tmp_path.iterdir()) == []


def test_figures_of_the_readme_are_those_of_the_records() -> None:
    """Of the section in which every figure has a record: Optuna's Gaussian process, held against ours."""
    section = (FOLDER / "README.md").read_text().split("### Optuna's Gaussian process")[1]
    rows = re.findall(r"^\|(.*?)\| (`bayes`|`optuna-gp`|possible) \|(.*)\|$", section, re.MULTILINE)
    assert len(rows) == 5 * 3
    table = ""
    for name, sampler, cells in rows:
        table = name.strip(" `") or table
        record = json.loads((FOLDER / "recorded" / f"{table}-gp.json").read_text())
        assert (record["n_seeds"], record["setting"]["trials"]) == (20, 100)
        found = record["possible"] if sampler == "possible" else record["hypervolume"][sampler.strip("`")]
        expected = [_written(found[budget]) for budget in ("10", "16", "25", "35", "50", "100")]
        assert [cell.strip() for cell in cells.split("|")] == expected, (table, sampler)


def _written(found: float | dict[str, float]) -> str:
    if isinstance(found, float):
        return f"{found:.3f}"
    return "{mean:.3f} [{low:.3f}, {high:.3f}]".format(**found)
