"""``nas-search law``: laws of tables and runs, and choices by them, for people and machines."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_fakes import table_for

from nas_search.profiler.device import Device, resolve_device
from nas_search.profiler.measure import measure
from nas_search.profiler.measurement import Failure, Outcome
from nas_search.profiler.timing import StopRule
from nas_search.profiler.workload import Workload
from nas_search.proxies.law import fit_law
from nas_search.proxies.scaling_law import ScalingLaw
from nas_search.space.architecture import Architecture
from nas_search.space.search_space import load_space

sys.path.insert(0, str(Path(__file__).parents[1] / "results"))
from study_maker import make_study

Cli = Callable[..., Any]
QUICK = StopRule(interval=0.5, min_rounds=3, max_rounds=3, max_seconds=10)


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas_search.proxies.law.fit_law", partial(fit_law, resamples=20))


@pytest.fixture
def losses(tmp_path: Path) -> Path:
    """Three depths, four widths, one budget of tokens, no noise."""
    depth, width = np.array(np.meshgrid([2, 6, 12], [64, 96, 128, 256])).reshape(2, -1)
    path = tmp_path / "losses.csv"
    loss = 1.5 + 2 / depth + 20 / width
    pd.DataFrame({"depth": depth, "width": width, "tokens": 1_000_000, "loss": loss}).to_csv(path, index=False)
    return path


@pytest.fixture
def law_file(nas_search: Cli, losses: Path, tmp_path: Path) -> Path:
    path = tmp_path / "law.json"
    assert nas_search("law", "fit", losses, "--out", path).code == 0
    return path


def test_a_law_is_printed_with_its_intervals_and_errors(nas_search: Cli, losses: Path) -> None:
    outcome = nas_search("law", "fit", losses)
    assert (outcome.code, outcome.err) == (0, "")
    assert f"12 losses (loss) of {losses}: depth 2 to 12 (3 values), width 64 to 256 (4 values)" in outcome.out
    rows = {line.split()[0]: line.split() for line in outcome.out.splitlines() if line.strip()}
    assert rows["L0"][1:5] == ["1.5", "1.5", "to", "1.5"]
    assert rows["a"][1:3] == ["D^-alpha", "2"]
    assert rows["b"][1:3] == ["W^-beta", "20"]
    assert "no term of tokens: 1,000,000 in every row, so what it adds is part of L0" in outcome.out
    assert "95 %, by 20 fits with random signs" in outcome.out
    assert "the largest quarter of networks by depth x width, held out: mean 0.0%, at most 0.0% (n = 3)" in outcome.out
    assert outcome.out.count("without a law, as the nearest of these: mean ") == 1


def test_a_law_for_machines(nas_search: Cli, losses: Path) -> None:
    document = nas_search("law", "fit", losses, "--json").document
    assert list(document["coefficients"]) == ["L0", "a", "alpha", "b", "beta"]
    assert document["coefficients"]["alpha"]["value"] == pytest.approx(1, rel=1e-4)
    assert document["dropped"] == ["tokens"]
    assert document["held_out"][0]["error"]["n"] == 3
    assert "resamples" not in document


def test_a_run_is_data_too(nas_search: Cli, tmp_path: Path) -> None:
    make_study(tmp_path)
    outcome = nas_search("law", "fit", tmp_path)
    assert outcome.code == 2
    assert "2 different budgets of tokens" in outcome.err
    page = tmp_path / "law.html"
    document = nas_search("law", "fit", tmp_path, "--tokens", 65_536, "--json", "--out", page).document
    assert document["loss"] == "bits per byte"
    assert "Lines go through the median latency" in page.read_text()


def test_laws_and_pages_are_written(nas_search: Cli, losses: Path, law_file: Path, tmp_path: Path) -> None:
    assert ScalingLaw.load(law_file).source == str(losses)
    page = tmp_path / "page.html"
    assert nas_search("law", "fit", losses, "--out", page, "--out", law_file).code == 0
    assert page.read_text().startswith("<!doctype html>")
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no.csv"], "no such file"),
        (["{losses}", "--tokens", "7"], "no row has 7 tokens; there are 1e+06"),
        (["{losses}", "--tokens", "9" * 400], "--tokens"),
        (["{losses}", "--out", "x" * 300 + ".json"], "File name too long"),
        (["{losses}", "--out", "law.txt"], "--out law.txt: the name of a file that ends in .json or .html is needed"),
        (["{losses}", "--out", "nowhere/law.json"], "there is no folder nowhere"),
        (["{folder}"], "not a run directory"),
        (["{losses}", "--seed", "-1"], "--seed"),
        ([], "Missing argument"),
    ],
)
def test_what_cannot_be_fitted(
    nas_search: Cli, losses: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    outcome = nas_search("law", "fit", *(each.format(losses=losses, folder=tmp_path) for each in arguments))
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [losses]


def test_fewer_losses_than_coefficients(nas_search: Cli, tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    path.write_text("depth,width,tokens,loss\n2,64,1e6,3\n4,96,2e6,2.5\n8,128,4e6,2.2\n")
    outcome = nas_search("law", "fit", path)
    assert outcome.code == 2
    assert outcome.err == (
        f"nas-search: {path}: 3 rows with 3 different combinations of depth, width and tokens, and the law has 7 "
        f"coefficients (L0, a, alpha, b, beta, c, gamma); give 8 different ones at least\n"
    )


@pytest.fixture
def cpu_table(tmp_path: Path) -> Path:
    """A millisecond for each operator, and one for the rest."""
    return table_for(resolve_device("cpu"), tmp_path / "table.parquet")


def test_depth_and_width_by_a_table(nas_search: Cli, law_file: Path, cpu_table: Path, tmp_path: Path) -> None:
    page, space = tmp_path / "page.html", tmp_path / "second.yaml"
    common = ("law", "choose", "--law", law_file, "--table", cpu_table, "--latency-budget", "10ms")
    outcome = nas_search(*common, "--space", "cpu", "--repeats", "1,2,4,6", "--out", page)
    assert (outcome.code, outcome.err) == (0, "")
    rows = [line.split() for line in outcome.out.splitlines()]
    winner = next(row for row in rows if row and row[0] == "*")
    assert winner[1:5] == ["4", "8", "256", "3,082,496"]
    assert winner[-2:] == ["table", "100%"]
    over = next(row for row in rows if row[:3] == ["6", "12", "64"])
    assert over[-3:] == ["over", "the", "budget"]
    assert "chosen: w256 (a f)x4" in outcome.out
    assert page.read_text().startswith("<!doctype html>")
    outcome = nas_search(*common, "--space", "cpu", "--block", "m2", "--repeats", "9,10", "--out", space, "--json")
    assert outcome.document["candidates"][outcome.document["chosen"]]["architecture"] == "w256 (m2)x9"
    second = load_space(space)
    assert (second.widths, second.max_operators) == ((256,), 9)


def test_a_table_of_losses_serves_as_law(nas_search: Cli, losses: Path, cpu_table: Path) -> None:
    arguments = ("--law", losses, "--table", cpu_table, "--latency-budget", "2x", "--json")
    document = nas_search("law", "choose", *arguments).document
    assert document["budget"] == 6.0
    winner = document["candidates"][document["chosen"]]
    assert (winner["depth"], winner["width"]) == (4, 256)
    assert winner["latency"]["source"] == "table"
    assert document["law"] == str(losses)


def test_published_rates_of_a_device_elsewhere(nas_search: Cli, no_gpu: None, law_file: Path) -> None:
    common = ("law", "choose", "--law", law_file, "--device", "a100", "--latency-budget", "3x")
    refused = nas_search(*common)
    assert refused.code == 2
    assert "or --estimate for published rates" in refused.err
    outcome = nas_search(*common, "--estimate", "--workload", "generate:64", "--vocabulary", "32000", "--json")
    assert outcome.document["workload"] == "generate:64,prompt=1,dtype=bfloat16"
    assert {one["latency"]["source"] for one in outcome.document["candidates"]} == {"estimate"}
    assert "vocab=32000" in outcome.document["candidates"][0]["architecture"]


def test_measured_on_this_machine(nas_search: Cli, law_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def here(architectures: Sequence[Architecture], workload: Workload, **options: Any) -> list[Outcome]:
        found = measure(architectures[:-1], workload, **{**options, "stop": QUICK})
        return [*found, Failure(reason="killed")]

    monkeypatch.setattr("nas_search.search.network_latency.measure_isolated", here)
    common = ("--law", law_file, "--latency-budget", "1s", "--repeats", "1,7", "--widths", "64,128")
    outcome = nas_search("law", "choose", *common, "--workload", "decode:16")
    assert outcome.code == 0
    rows = [line.split() for line in outcome.out.splitlines() if line.strip()]
    chosen = next(row for row in rows if row[0] == "*~")
    assert chosen[1:4] == ["7", "14", "64"]
    assert "measured" in " ".join(chosen)
    assert any(row[-2:] == ["failed", "killed"] for row in rows)
    assert any(row[0] == "~" for row in rows)
    assert "~ outside of the law's data" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--latency-budget", "soon"], "latency budget 'soon': not one of 12ms"),
        (["--latency-budget", "1ns"], "latency budget '1ns'"),
        (["--latency-budget", "0.01ms"], "none of 24 candidates meets it; the fastest is"),
        (["--latency-budget", "9ms", "--block", "(a g)"], "unknown operator 'g'"),
        (["--latency-budget", "9ms", "--block", ""], "expected at least one operator"),
        (["--latency-budget", "9ms", "--repeats", "4,,8"], "--repeats '4,,8': whole numbers above 0"),
        (["--latency-budget", "9ms", "--repeats", "4,300"], "a block of 2 operators 300 times: more than 512"),
        (["--latency-budget", "9ms", "--widths", "0"], "--widths '0': whole numbers above 0"),
        (["--latency-budget", "9ms", "--widths", "100"], "does not divide the width 100"),
        (["--latency-budget", "9ms", "--widths", "160"], "latency table: "),
        (
            ["--latency-budget", "9ms", "--workload", "memory:64"],
            "no latency; give one of decode, prefill and generate",
        ),
        (["--latency-budget", "9ms", "--workload", "sleep"], "workload 'sleep'"),
        (["--latency-budget", "9ms", "--device", "abacus"], "abacus"),
        (["--latency-budget", "9ms", "--tokens", "7"], "no term of tokens, which was 1e+06 in all data"),
        (["--latency-budget", "9ms", "--tokens", "9" * 400], "--tokens"),
        (["--latency-budget", "9ms", "--space", "cpuu"], "no search space 'cpuu'"),
        (["--latency-budget", "9ms", "--out", "s.yaml"], "name one with --space"),
        (["--latency-budget", "9ms", "--out", "law.json"], "ends in .html or .yaml is needed"),
        ([], "Missing option '--latency-budget'"),
    ],
)
@pytest.mark.usefixtures("no_gpu")
def test_what_cannot_be_chosen(
    nas_search: Cli, law_file: Path, cpu_table: Path, arguments: list[str], message: str
) -> None:
    outcome = nas_search("law", "choose", "--law", law_file, "--table", cpu_table, *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
    assert outcome.err.count("\n") == 1


def test_laws_that_cannot_choose(nas_search: Cli, losses: Path, cpu_table: Path, tmp_path: Path) -> None:
    one_width = tmp_path / "one.csv"
    pd.DataFrame({"depth": [2, 3, 4, 6, 8], "width": 64, "tokens": 1, "loss": [3, 2.5, 2.25, 2, 1.9]}).to_csv(one_width)
    broken = tmp_path / "law.json"
    broken.write_text("{}")
    other = table_for(Device(name="h100", fingerprint={"kind": "cuda", "gpu": "H100"}), tmp_path / "h100.parquet")
    for law, table, message in (
        (one_width, cpu_table, "no term of width, which was 64 in all data"),
        (broken, cpu_table, f"law {broken}: source: Field required"),
        (tmp_path / "gone.json", cpu_table, "cannot be read: No such file"),
        (losses, other, "recorded on h100"),
    ):
        outcome = nas_search("law", "choose", "--law", law, "--table", table, "--latency-budget", "9ms")
        assert (outcome.code, outcome.out) == (2, "")
        assert message in outcome.err


def test_a_group_says_what_it_can(nas_search: Cli) -> None:
    outcome = nas_search("law")
    assert outcome.code == 2
    assert "law: say what to do: fit or choose" in outcome.err
