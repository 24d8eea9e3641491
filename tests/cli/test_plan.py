"""``nas-search plan``: whole commands."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from study_maker import make_study

Cli = Callable[..., Any]
SMALL = ("--trials", 6, "--workers", 2, "--sampler", "random", "--searches", 2)


def test_what_is_printed(nas_search: Cli) -> None:
    outcome = nas_search("plan", *SMALL)
    assert outcome.code == 0 and outcome.err == ""
    first = "6 trials by random in the space cpu on 2 workers; rungs of 21,845 -> 65,536 -> 196,608 tokens"
    assert outcome.out.startswith(first)
    for words in ("predicted from recorded rates", "utilisation", "confirmation", "after the last proposal", "assumed"):
        assert words in outcome.out


def test_the_document(nas_search: Cli) -> None:
    document = nas_search("plan", *SMALL, "--tokens-per-second", 50_000, "--deterministic", "--json").document
    assert document["trials"] == 6 and document["deterministic"] and document["searches"] == 2
    assert document["rates_measured"] is False and document["tokens_per_second"] == 50_000
    assert [phase["name"] for phase in document["phases"]] == ["table", "search", "confirmation"]
    assert [row["workers"] for row in document["by_workers"]] == [1, 2, 4, 8]
    hours = document["total"]["hours"]
    assert 0 < hours["least"] <= hours["mean"] <= hours["most"]
    assert document["total"]["worker_hours"]["mean"] == pytest.approx(2 * hours["mean"])


def test_by_the_rates_and_options_of_a_run(nas_search: Cli, tmp_path: Path) -> None:
    make_study(tmp_path, lowest_rung=65_536, confirm_seeds=3)
    asked = (
        "plan",
        "--from",
        tmp_path,
        "--trials",
        6,
        "--workers",
        2,
        "--sampler",
        "random",
        "--searches",
        1,
        "--json",
    )
    document = nas_search(*asked).document
    assert document["tokens"] == [65_536, 196_608] and str(tmp_path) in document["rates"]
    longer = nas_search(*asked, "--tokens", 3 * 196_608).document
    assert longer["tokens"] == [65_536, 196_608, 589_824]
    assert longer["phases"][2]["busy_hours"]["mean"] > 2 * document["phases"][2]["busy_hours"]["mean"]


def test_a_configuration_and_options_that_win(nas_search: Cli, tmp_path: Path) -> None:
    config = tmp_path / "search.yaml"
    config.write_text("trials: 6\nsampler: random\ntokens: 60000\nworkers: 2\nconfirm_members: 0\n")
    document = nas_search("plan", "--config", config, "--workers", 3, "--searches", 1, "--json").document
    assert (document["trials"], document["workers"], document["tokens"]) == (6, 3, [20_000, 60_000])
    assert document["phases"][2]["hours"]["mean"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "nowhere"), "nowhere: not a run directory"),
        (("--sampler", "nonsense"), "unknown sampler 'nonsense'"),
        (("--space", "nonsense"), "nonsense"),
        (("--trials", 0), "trials"),
        (("--tokens-per-second", 0), "0.001"),
        (("--searches", 0), "greater than or equal to 1"),
        (("--config", "missing.yaml"), "missing.yaml"),
    ],
)
def test_bad_input(nas_search: Cli, arguments: tuple[object, ...], message: str) -> None:
    outcome = nas_search("plan", *arguments)
    assert outcome.code == 2 and outcome.out == ""
    assert len(outcome.err.splitlines()) == 1 and message in outcome.err
