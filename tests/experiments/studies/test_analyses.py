"""What analyses of studies say of made-up losses whose answer is known."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel
from toy_studies import EXPERIMENTS, copied, load, toy_text

from nas_search.errors import InputError
from nas_search.profiler.statistics import Median
from nas_search.proxies.data import load_corpus
from nas_search.space.architecture import Architecture

Loss = Callable[[Any, int], float]
"""Of a training and a number of tokens."""


@pytest.fixture
def said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """What the analysis of a study, whole but for its text, says of losses that are made up."""

    def say(name: str, loss: Loss, **changes: Any) -> dict[str, Any]:
        text = str(toy_text(tmp_path / "text.txt"))
        corpus = load_corpus(text).hash
        changes = {key: corpus if value == "its hash" else value for key, value in changes.items()}
        folder = copied(name, tmp_path, lambda config: config.update(data=text, **changes))
        if "networks_file" in changes:
            (folder / changes["networks_file"]).write_text((tmp_path / "networks.yaml").read_text())
        record(folder, corpus, loss)
        load("analyse").main([str(folder), "--out", str(tmp_path / "page.html")])
        assert "plotly" in (tmp_path / "page.html").read_text()
        document: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return document

    return say


def record(folder: Path, corpus: str, loss: Loss) -> None:
    """Shards of all trainings."""
    plan, shards = load("plan"), load("shards")
    study = plan.Study(folder, corpus, "cpu")
    found = shards.Shards(folder / "recorded" / "trainings")
    while missing := [training for training in study.trainings(found.loss) if found.get(training) is None]:
        for training in missing:
            scores = [
                shards.Scored(tokens=tokens, bits_per_byte=loss(training, tokens), seconds=1.0)
                for tokens in training.tokens
            ]
            found.add(shards.Shard(training=training, machine="made up", torch="none", scores=tuple(scores)))


def noise(*seed: int) -> float:
    return float(np.random.default_rng(seed).standard_normal())


def number(training: Any) -> int:
    return int(training.name[:8], 16)


def test_a_known_law_is_recovered(said: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    def loss(training: Any, tokens: int) -> float:
        network = Architecture.parse(training.architecture)
        exact = 1.5 + 0.8 * network.depth**-0.7 + 20 * network.width**-0.9 + 300 * tokens**-0.5
        return exact * (1 + 0.001 * noise(number(training), tokens))

    before = EXPERIMENTS / "search-table" / "recorded" / "latencies.parquet"
    found = said("depth-width", loss, latency={"table": str(before), "workload": "decode:256"})
    coefficients = found["law"]["coefficients"]
    for name, truth in {"L0": 1.5, "alpha": 0.7, "beta": 0.9, "gamma": 0.5}.items():
        found_one = coefficients[name]
        assert abs(found_one["value"] - truth) < found_one["high"] - found_one["low"] < truth
    assert all(held["error"]["mean"] < 0.02 for held in found["law"]["held_out"])
    assert len(found["perplexity_held_out"]) == 2
    best = found["best_by_latency"]
    assert [row["loss"] for row in best] == sorted((row["loss"] for row in best), reverse=True)
    assert (best[-1]["depth"], best[-1]["width"]) == (12, 192)
    table = pd.read_csv(tmp_path / "depth-width" / "recorded" / "table.csv")
    assert len(table) == 80 and (table["latency_ms"] > 0).all()


def test_operators_that_differ_are_told_apart_and_others_are_not(said: Callable[..., dict[str, Any]]) -> None:
    def loss(training: Any, tokens: int) -> float:
        codes = {operator.code for operator in Architecture.parse(training.architecture).operators}
        better = 0.2 * (codes == {"d", "m2", "f"}) + 0.3 * (codes == {"a", "m2", "f"})
        return 2.0 + 0.1 * noise(training.seed) - better + 0.004 * noise(number(training))

    found = said("operators", loss, seeds=[0, 1, 2, 3, 4])
    significant = {name for name, row in found["comparisons"].items() if row["significant"]}
    assert significant == {
        "DeltaNet + Mamba-2 less DeltaNet",
        "attention + Mamba-2 less attention",
        "DeltaNet + Mamba-2 less Gated DeltaNet + Mamba-2",
    }
    assert found["comparisons"]["DeltaNet + Mamba-2 less DeltaNet"]["mean"] == pytest.approx(-0.2, abs=0.02)
    assert {row["n"] for row in found["comparisons"].values()} == {5}
    assert found["rank_agreement_with_the_paper"]["n"] == 14


def test_the_order_of_the_paper_is_recognised() -> None:
    analysis = load("analyse").load_analysis(EXPERIMENTS / "operators")
    agreement = analysis.__globals__["rank_agreement"]
    published = {"a": 3.0, "b": 2.0, "c": 1.0, "d": 4.0}
    assert agreement({name: 2 * value for name, value in published.items()}, published)["tau"] == pytest.approx(1)
    assert agreement({name: -value for name, value in published.items()}, published)["rho"] == pytest.approx(-1)
    assert agreement({"a": 1.0, "b": float("inf"), "c": 1.0}, published) is None


@pytest.mark.parametrize("effect", [-0.05, 0.0, 0.05])
def test_an_effect_of_meta_tokens(effect: float, said: Callable[..., dict[str, Any]]) -> None:
    def loss(training: Any, tokens: int) -> float:
        with_them = Architecture.parse(training.architecture).meta_tokens > 0
        return 2.0 + 0.1 * noise(training.seed) + effect * with_them + 0.001 * noise(number(training))

    found = said("meta-tokens", loss)["comparisons"]
    assert len(found) == 4
    assert {row["significant"] for row in found.values()} == {effect != 0}
    for row in found.values():
        assert row["mean"] == pytest.approx(effect, abs=0.005)


def test_learning_rates_are_chosen_by_a_seed_that_is_not_reported(said: Callable[..., dict[str, Any]]) -> None:
    """Without weight normalisation 0.002 is best, with it the last; the chosen one has a lucky seed."""

    def loss(training: Any, tokens: int) -> float:
        recipe = training.recipe
        best = 0.016 if recipe.weight_norm else 0.002
        away = 0.1 * abs(np.log2(recipe.learning_rate / best))
        return 2.0 + float(away) - (0.5 if training.seed == 5 else 0) + 0.001 * noise(number(training), 1)

    found = said("weight-norm", loss)
    chosen = {(row["arm"], row["learning_rate"], row["at_the_edge"]) for row in found["learning_rates"]}
    assert chosen == {("without", 0.002, False), ("with", 0.016, True)}
    assert all(min(row["bits_per_byte"]) > 1.9 for row in found["losses"])
    assert not any(row["significant"] for row in found["comparisons"].values())


def test_a_sweep_in_which_nothing_works(tmp_path: Path) -> None:
    study = load("plan").Study(EXPERIMENTS / "weight-norm", "hash", "cpu")
    with pytest.raises(InputError, match="attention without: no learning rate of the sweep works"):
        list(study.trainings(lambda training: float("inf")))


def test_short_trainings_that_rank_exactly_and_that_rank_at_random(
    said: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    networks = load("plan").Study(EXPERIMENTS / "short-training", "hash", "cpu").networks.values()
    at_random = np.random.default_rng(0).permutation(len(networks))
    quality = {network.notation: place for place, network in enumerate(networks)}
    before = pd.DataFrame({"architecture": list(quality), "bits_per_byte_1000": at_random})
    before["bits_per_byte_393216"] = before["architecture"].map(quality) / 100 + 2.001
    before.assign(latency_ms=at_random + 1.0).to_csv(tmp_path / "before.csv", index=False)

    def loss(training: Any, tokens: int) -> float:
        return 2.0 + quality[training.architecture] / 100

    found = said("short-training", loss, recorded_losses="../before.csv", recorded_corpus="its hash")
    proxies = {row["name"]: row["overall"]["tau"] for row in found["agreement"]["proxies"]}
    assert proxies["bits_per_byte_393216"]["value"] == pytest.approx(1)
    assert proxies["bits_per_byte_1000"]["low"] < 0.1
    assert len(found["agreement"]["bands"]["networks"]) == 4
    assert found["greatest_difference_to_recorded"] == pytest.approx(0.001)


def test_a_winner_and_its_equals(said: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    measure = load_measure()
    winner = Architecture.parse("w64 d f m2 f")
    measure.freeze(winner, "decode:256", "made up", by_size, by_size, tmp_path / "networks.yaml")

    def loss(training: Any, tokens: int) -> float:
        codes = {operator.code for operator in Architecture.parse(training.architecture).operators}
        worse = 0.3 * ("a" in codes) + 0.3 * ("gla" in codes)
        return 2.0 + 0.1 * noise(training.seed) + worse + 0.004 * noise(number(training))

    found = said("equal-latency", loss, networks_file="networks.yaml")
    significant = {name for name, row in found["comparisons"].items() if row["significant"]}
    assert significant == {"winner less attention", "winner less GLA"}
    assert found["measured"]["networks"]["winner"]["architecture"] == winner.notation


def load_measure() -> ModuleType:
    path = EXPERIMENTS / "equal-latency" / "measure.py"
    spec = importlib.util.spec_from_file_location("measure_equal_latency", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def by_size(networks: list[Architecture]) -> list[Any]:
    """As if every operator took a time, and every parameter."""
    timed = [0.02 * network.depth + network.parameters * 1e-6 for network in networks]
    measure = load_measure()
    ratios = [Median(value / timed[0], 0.99 * value / timed[0], 1.01 * value / timed[0]) for value in timed]
    return [
        measure.Timed(value, 0.99 * value, 1.01 * value, 9, "wall", ratio)
        for value, ratio in zip(timed, ratios, strict=True)
    ]


def test_a_machine_that_slows_down_changes_no_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process is three times as slow as the other; of each network one copy is slower in both."""
    measure, slowness = load_measure(), iter([1.0, 3.0])

    def sitting(*_: Any) -> list[Any]:
        by = next(slowness)
        copies = [(1.0, 1.1), (1.0, 1.1), (1.0, 1.1), (1.5, 1.9)]
        return [SimpleNamespace(value=by * value, clock="wall") for copy in copies for value in copy]

    monkeypatch.setattr(measure, "sitting", sitting)
    first, second = measure.measured(None, None, None, 2, [None, None])
    assert first.ratio == Median(1.0, 1.0, 1.0)
    assert second.ratio == pytest.approx((1.1, 1.1, 1.1))
    assert (first.n, first.low, first.latency_ms, first.high) == (8, 1.0, 2.25, 3.0)


def test_pure_networks_are_as_fast_as_the_winner() -> None:
    measure = load_measure()
    winner = Architecture.parse("w128 (d f m2 f a f m2 f)x2")
    found = measure.equally_fast(winner, by_size)
    assert list(found) == list(measure.BLOCKS)
    limit, *timed = (one.latency_ms for one in by_size([winner, *found.values()]))
    assert all(0.98 * limit < one <= measure.TOLERANCE * limit for one in timed)
    assert {network.depth for network in found.values()} == {winner.depth}
    assert {network.vocabulary for network in found.values()} == {winner.vocabulary}


def test_pure_networks_of_a_winner_of_odd_depth_are_no_shallower() -> None:
    found = load_measure().equally_fast(Architecture.parse("w128 m2 m2 a"), by_size)
    assert {name: network.depth for name, network in found.items()}["Mamba-2"] == 3
    assert {network.depth for name, network in found.items() if name != "Mamba-2"} == {4}


def test_pure_networks_of_a_small_winner_are_shorter_or_missing() -> None:
    measure = load_measure()

    def attention_is_slow(networks: list[Architecture]) -> list[Any]:
        slow = [3.0 if any(op.code == "a" for op in network.operators) else 1.0 for network in networks]
        return [
            one._replace(ratio=one.ratio._replace(value=one.ratio.value * by))
            for one, by in zip(by_size(networks), slow, strict=True)
        ]

    small = measure.equally_fast(Architecture.parse("w32 (m2)x6"), attention_is_slow)
    assert small["attention"].depth == 2 and small["DeltaNet"].depth == 6
    tiny = measure.equally_fast(Architecture.parse("w32 f"), attention_is_slow)
    assert "attention" not in tiny


def test_paired_intervals_are_those_of_a_paired_t_test() -> None:
    paired = load("paired")
    one, other = np.random.default_rng(0).standard_normal((2, 5))
    found, truth = paired.Paired.of(one, other), ttest_rel(one, other)
    assert (found.n, found.p) == (5, pytest.approx(truth.pvalue))
    assert (found.low, found.high) == pytest.approx(tuple(truth.confidence_interval(0.95)))
    assert found.p_holm is None and not found.significant
    assert paired.Paired.of([1.0], [0.5]) == paired.Paired(n=1, mean=0.5)
    assert paired.Paired.of([1.0, np.inf], [0.5, np.inf]) == paired.Paired(n=2)
    same = paired.Paired.of([1.0, 2.0], [1.0, 2.0])
    assert (same.mean, same.p) == (0.0, 1.0)
    assert paired.Paired.of([2.0, 3.0], [1.0, 2.0]).p == 0.0


def test_p_values_stand_for_all_comparisons() -> None:
    """The example of Holm's step-down: 0.01, 0.02, 0.03, 0.005 together."""
    paired = load("paired")
    given = [paired.Paired(n=3, mean=0.1, p=p) for p in (0.01, 0.02, 0.03, 0.005)]
    found = paired.corrected([*given, paired.Paired(n=3)])
    assert [row.p_holm for row in found] == [*map(pytest.approx, (0.03, 0.04, 0.04, 0.02)), None]
    assert [row.significant for row in found] == [True, True, True, True, False]


def test_claims_of_equal_parameters_are_checked(tmp_path: Path) -> None:
    plan = load("plan")
    networks = {"one": "w32 a f", "two": "w64 a f"}
    folder = copied("operators", tmp_path, lambda config: config.update(networks=networks, comparisons=[]))
    with pytest.raises(InputError, match="parameters differ by more than 2%"):
        load("study_results").check_parameters(plan.Study(folder, "hash", "cpu"))
