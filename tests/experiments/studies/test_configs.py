"""The studies of experiments/ as data."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from toy_studies import EXPERIMENTS, load, trained

from nas_search.errors import InputError
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM

NAMES = ("depth-width", "operators", "weight-norm", "meta-tokens", "short-training", "equal-latency", "twins")
SIZES = ("config.yaml", "config-large.yaml")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_a_config_is_valid_and_its_networks_build(name: str, size: str) -> None:
    plan = load("plan")
    study = plan.Study(EXPERIMENTS / name / size, "hash", "cpu")
    assert len(study.config.seeds) in {1, 3, 5}
    if name == "equal-latency" and not (EXPERIMENTS / name / "recorded" / "networks.yaml").exists():
        with pytest.raises(InputError, match="measured first"):
            list(study.trainings(lambda training: None))
        return
    trainings = list(study.trainings(lambda training: None))
    assert len({training.name for training in trainings}) == len(trainings)
    for notation in {training.architecture for training in trainings}:
        network = Architecture.parse(notation)
        assert sum(weight.numel() for weight in HybridLM(network, seed=0).parameters()) == network.parameters
    load("study_results").check_parameters(study)


def test_a_larger_size_is_recorded_beside_the_other() -> None:
    plan = load("plan")
    small, large = (plan.Study(EXPERIMENTS / "operators" / size, "hash", "cpu") for size in SIZES)
    assert small.recorded == EXPERIMENTS / "operators" / "recorded" and large.recorded.name == "recorded-large"
    assert large.config.comparisons == small.config.comparisons and large.config.tokens[-1] > small.config.tokens[-1]
    assert plan.Study(EXPERIMENTS / "operators", "hash", "cpu").recorded == small.recorded
    with pytest.raises(InputError, match=r"published\.yaml: not a study"):
        plan.read_config(EXPERIMENTS / "operators" / "published.yaml")


def test_configs_may_not_extend_each_other(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("extends: config-large.yaml")
    (tmp_path / "config-large.yaml").write_text("extends: config.yaml")
    with pytest.raises(InputError, match=r"config\.yaml: extends config-large\.yaml, which extends this file"):
        load("plan").read_config(tmp_path)


@pytest.mark.parametrize(("size", "depth"), [("config.yaml", 6), ("config-large.yaml", 12)])
def test_the_operator_study_has_the_rows_of_the_paper_with_equally_many_parameters(size: str, depth: int) -> None:
    study = load("plan").Study(EXPERIMENTS / "operators" / size, "hash", "cpu")
    published = yaml.safe_load((EXPERIMENTS / "operators" / "published.yaml").read_text())
    assert list(study.networks) == list(published) and len(published) == 14
    assert {network.depth for network in study.networks.values()} == {depth}
    counts = [network.parameters for network in study.networks.values()]
    assert max(counts) <= 1.02 * min(counts)
    codes = {"attention": "a", "Mamba-2": "m2", "DeltaNet": "d", "Gated DeltaNet": "gd", "GLA": "gla"}
    codes |= {"RWKV-7": "r7", "Mamba": "m"}
    for name, network in study.networks.items():
        mixers = {operator.code for operator in network.operators} - {"f"}
        assert mixers == {codes[part] for part in name.split(" + ")}


def test_the_grid_of_depths_and_widths_is_whole() -> None:
    study = load("plan").Study(EXPERIMENTS / "depth-width", "hash", "cpu")
    shapes = {(network.depth, network.width) for network in study.networks.values()}
    depths, widths = ({shape[side] for shape in shapes} for side in (0, 1))
    assert len(depths) >= 5 and len(widths) >= 4
    assert len(shapes) == len(study.networks) == len(depths) * len(widths)
    assert len(study.config.tokens) == 4


@pytest.mark.parametrize("size", SIZES)
def test_long_trainings_are_of_recorded_networks_of_all_latencies(size: str) -> None:
    study = load("plan").Study(EXPERIMENTS / "short-training" / size, "hash", "cpu")
    table = pd.read_csv(EXPERIMENTS / "short-training" / study.config.recorded_losses).sort_values("latency_ms")
    ranks = [list(table["architecture"]).index(network.notation) for network in study.networks.values()]
    assert len(ranks) == 24 and ranks == sorted(ranks)
    assert max(b - a for a, b in zip([0, *ranks], [*ranks, len(table)], strict=True)) <= 10
    assert f"bits_per_byte_{study.config.tokens[0]}" in table
    assert f"bits_per_byte_{study.config.tokens[-1] // 8}" in table


def test_an_ffn_takes_up_what_mixers_leave() -> None:
    equal = load("equal_parameters")
    for operators in ("(a f)x3", "d f m2 f", "f f"):
        network = equal.with_parameters(64, operators, 300_000)
        assert network.parameters == pytest.approx(300_000, rel=0.01)
    with pytest.raises(InputError, match="no size of its FFNs"):
        equal.with_parameters(64, "(m2)x3", 300_000)
    with pytest.raises(InputError, match="no size of its FFNs"):
        equal.with_parameters(64, "(m2 f)x3", 10_000)


def has_figures(name: str) -> bool:
    return "## Figures" in (EXPERIMENTS / name / "README.md").read_text()


@pytest.mark.parametrize("name", [name for name in NAMES if has_figures(name)])
def test_figures_in_a_readme_are_those_of_a_whole_study(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in {name, "search-table", "short-training"}:
        shutil.copytree(EXPERIMENTS / folder, tmp_path / folder)
    load("analyse").main([str(tmp_path / name)])
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    readme = (EXPERIMENTS / name / "README.md").read_text()
    for found in document.get("comparisons", {}).values():
        assert f"{found['mean']:+.4f}" in readme and f"[{found['low']:+.4f}, {found['high']:+.4f}]" in readme


def test_hours_are_those_of_the_rates() -> None:
    plan, hours = load("plan"), load("hours")
    study = plan.Study(EXPERIMENTS / "depth-width", "hash", "cpu")
    training = next(study.trainings(lambda training: None))
    tokens = study.config.tokens
    assert training.work == pytest.approx(tokens[-1] + 0.1 * sum(tokens[:-1]))
    rates = {training.architecture: 1e-3}
    assert hours.hours([training, training], rates, jobs=2) == pytest.approx(training.work * 1e-3 / 3600)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokens": [2, 1]}, "budgets must rise"),
        ({"comparisons": [["one", "three"]]}, "there is no network 'three'"),
        ({"seeds": []}, "seeds"),
        ({"sweep": {"learning_rates": [1e-3, 2e-3], "seed": 0}}, "seed 0 is one of those that are reported"),
        ({"networks_file": "x.yaml"}, "give networks, or networks_file"),
        ({"colour": "red"}, "colour"),
        ({"recipe": {"batch": 0}}, "recipe: batch"),
        ({"networks": {"one": "w32 q"}}, "'w32 q'"),
    ],
)
def test_a_wrong_config_is_told_with_its_file_or_text(toy: Any, changes: dict[str, Any], message: str) -> None:
    good = {"networks": {"one": "w32 a", "two": "w32 f"}, "comparisons": [["one", "two"]]}
    without = {} if "networks" not in changes else {"comparisons": []}
    folder = toy("operators", **(good | without | changes))
    with pytest.raises(InputError) as caught:
        trained(folder)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not (folder.parent / "work").exists() and not (folder / "recorded").exists()
