"""``nas-search agreement``: of tables and runs, for people and machines."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nas_search.search.confirm import write_confirmations
from nas_search.search.trial import Confirmation, SeedScore

sys.path.insert(0, str(Path(__file__).parents[1] / "results"))
from study_maker import make_study

Cli = Callable[..., Any]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Forty networks of rising size; a short training that ranks by size, and a long one that ranks well."""
    rng = np.random.default_rng(0)
    size = np.arange(40.0)
    loss = 100 - size + rng.normal(scale=6, size=40)
    path = tmp_path / "table.csv"
    frame = {"loss_1": 100 - size, "loss_2": loss + rng.normal(scale=0.1, size=40), "loss_3": loss, "ms": size + 1}
    pd.DataFrame(frame | {"parameters": size, "depth": 40 - size}).to_csv(path, index=False)
    return path


def test_a_table_is_printed(nas_search: Cli, table: Path) -> None:
    outcome = nas_search("agreement", table, "--losses", "loss_1, loss_2,loss_3", "--latency", "ms")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(f"40 networks of {table} against loss_3\n")
    rows = {line.split()[0]: line for line in outcome.out.splitlines()}
    assert {"loss_1", "loss_2", "parameters", "depth", "latency"} <= rows.keys()
    assert "above parameters" in rows["proxy"] and "tau in bands" in rows["proxy"]
    assert "4 bands of equal latency, pairs of all bands pooled: 10 networks each, slowest over fastest" in outcome.out
    assert "lower end of its interval: overall: loss_2; in bands: loss_2" in outcome.out


def test_a_table_for_machines(nas_search: Cli, table: Path) -> None:
    document = nas_search("agreement", table, "--losses", "loss_1,loss_2,loss_3", "--tau", 1, "--json").document
    assert document["n"] == 40 and document["bands"] is None and document["no_bands"] == "no latencies"
    assert document["shortest"] == {"tau": 1, "overall": None, "in_bands": None}
    by_name = {proxy["name"]: proxy for proxy in document["proxies"]}
    assert by_name["depth"]["overall"]["tau"]["value"] == -by_name["parameters"]["overall"]["tau"]["value"]
    assert by_name["loss_1"]["tau_above"]["parameters"]["value"] == 0


def test_the_number_of_bands_and_the_page(nas_search: Cli, table: Path, tmp_path: Path) -> None:
    page = tmp_path / "agreement.html"
    arguments = ("--losses", "loss_1,loss_2,loss_3", "--latency", "ms", "--bands", 8, "--out", page, "--json")
    document = nas_search("agreement", table, *arguments).document
    assert document["bands"]["networks"] == [5] * 8
    text = page.read_text()
    assert text.startswith("<!doctype html>") and "40 networks of" in text and "agreement-figure" in text
    assert ">parameters</t" in text and "tau in bands" in text
    assert not list(tmp_path.glob(".*"))


def test_a_run_against_its_top_rung(nas_search: Cli, tmp_path: Path) -> None:
    study = make_study(tmp_path, limit_ms=None, lowest_rung=65_536)
    document = nas_search("agreement", tmp_path, "--json").document
    assert document["target"] == "bits per byte after 196,608 tokens"
    assert [proxy["name"] for proxy in document["proxies"]] == ["65,536 tokens", "parameters", "depth", "latency"]
    assert document["n"] == sum(record.state == "complete" for record in study.records())
    assert document["left_out"] == sum(record.state in {"stopped", "failed"} for record in study.records())


def test_a_run_against_its_confirmations(nas_search: Cli, tmp_path: Path) -> None:
    study = make_study(tmp_path, limit_ms=None, lowest_rung=65_536, confirm=False)
    outcome = nas_search("agreement", tmp_path, "--against", "confirmed")
    assert (outcome.code, outcome.err) == (2, f"nas-search: {tmp_path}: no trial is confirmed\n")
    complete = [record for record in study.records() if record.state == "complete"]
    confirmed = {
        record.fingerprint: Confirmation(
            latency=None,
            tokens=393_216,
            scores=tuple(
                SeedScore(seed=seed, bits_per_byte=record.bits_per_byte + 0.01 * seed, weights="") for seed in (1, 2)
            ),
        )
        for record in complete[:9]
    }
    write_confirmations(tmp_path, confirmed)
    document = nas_search("agreement", tmp_path, "--against", "confirmed", "--json").document
    assert document["target"] == "confirmed bits per byte after 393,216 tokens"
    short, top, *_ = document["proxies"]
    assert (short["name"], top["name"]) == ("65,536 tokens", "196,608 tokens")
    assert document["n"] == 9 and top["overall"]["tau"]["value"] == 1
    assert document["no_bands"] == "9 networks; 4 bands need 20"


def test_untrained_networks_are_scored(nas_search: Cli, tmp_path: Path) -> None:
    make_study(tmp_path, limit_ms=None, lowest_rung=65_536, proposals=24, data=str(_text(tmp_path)))
    document = nas_search("agreement", tmp_path, "--zero-cost", "--json").document
    names = [proxy["name"] for proxy in document["proxies"]]
    assert names[-5:] == ["FLOPs", "gradient norm", "SNIP", "SynFlow", "Jacobian covariance"]
    assert "parameters" in document["proxies"][-1]["tau_above"]


def _text(folder: Path) -> Path:
    path = folder / "text.txt"
    path.write_text("".join(f"{index} little ducks went out one day\n" for index in range(3000)))
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no.csv", "--losses", "a,b"], "no such file"),
        (["{table}"], "name two columns of losses at least"),
        (["{table}", "--losses", "loss_1,loss_9"], "no column 'loss_9'"),
        (
            ["{table}", "--losses", "loss_1,loss_3", "--against", "confirmed"],
            "--against says what is the truth in a run",
        ),
        (["{table}", "--losses", "loss_1,loss_3", "--zero-cost"], "--zero-cost needs a column 'architecture'"),
        (["{folder}", "--losses", "loss_1,loss_3"], "--losses and --latency name columns of a table"),
        (["{folder}"], "not a run directory"),
        (["{table}", "--losses", "loss_1,loss_3", "--out", "x.png"], "ends in .html is needed"),
        (["{table}", "--losses", "loss_1,loss_3", "--bands", "1"], "--bands"),
        (["{table}", "--losses", "loss_1,loss_3", "--tau", "2"], "--tau"),
    ],
)
def test_what_cannot_be_compared(
    nas_search: Cli, table: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    outcome = nas_search("agreement", *(each.format(table=table, folder=tmp_path) for each in arguments))
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
