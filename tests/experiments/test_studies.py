"""The studies of experiments/ as data, and what does them, at toy scale."""

import importlib
import json
import shutil
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
import yaml

from nas_search.errors import InputError, RunError
from nas_search.proxies.data import load_corpus
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM


@pytest.fixture(autouse=True)
def studies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "experiments" / "studies")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")


def load(name: str) -> ModuleType:
    return importlib.import_module(name)


NAMES = ("depth-width", "operators", "weight-norm", "meta-tokens", "short-training", "equal-latency", "twins")
FOLDER = Path(__file__).parents[2] / "experiments"
SIZES = ("config.yaml", "config-large.yaml")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_a_config_is_valid_and_its_networks_build(name: str, size: str) -> None:
    plan = load("plan")
    study = plan.Study(FOLDER / name / size, "hash", "cpu")
    assert len(study.config.seeds) in {1, 3, 5}
    if name == "equal-latency" and not (FOLDER / name / "recorded" / "networks.yaml").exists():
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
    small, large = (plan.Study(FOLDER / "operators" / size, "hash", "cpu") for size in SIZES)
    assert small.recorded == FOLDER / "operators" / "recorded" and large.recorded.name == "recorded-large"
    assert large.config.comparisons == small.config.comparisons and large.config.tokens[-1] > small.config.tokens[-1]
    assert plan.Study(FOLDER / "operators", "hash", "cpu").recorded == small.recorded
    with pytest.raises(InputError, match=r"published\.yaml: not a study"):
        plan.read_config(FOLDER / "operators" / "published.yaml")


def test_configs_may_not_extend_each_other(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("extends: config-large.yaml")
    (tmp_path / "config-large.yaml").write_text("extends: config.yaml")
    with pytest.raises(InputError, match=r"config\.yaml: extends config-large\.yaml, which extends this file"):
        load("plan").read_config(tmp_path)


@pytest.mark.parametrize(("size", "depth"), [("config.yaml", 6), ("config-large.yaml", 12)])
def test_the_operator_study_has_the_rows_of_the_paper_with_equally_many_parameters(size: str, depth: int) -> None:
    study = load("plan").Study(FOLDER / "operators" / size, "hash", "cpu")
    published = yaml.safe_load((FOLDER / "operators" / "published.yaml").read_text())
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
    study = load("plan").Study(FOLDER / "depth-width", "hash", "cpu")
    shapes = {(network.depth, network.width) for network in study.networks.values()}
    depths, widths = ({shape[side] for shape in shapes} for side in (0, 1))
    assert len(depths) >= 5 and len(widths) >= 4
    assert len(shapes) == len(study.networks) == len(depths) * len(widths)
    assert len(study.config.tokens) == 4


@pytest.mark.parametrize("size", SIZES)
def test_long_trainings_are_of_recorded_networks_of_all_latencies(size: str) -> None:
    study = load("plan").Study(FOLDER / "short-training" / size, "hash", "cpu")
    table = pd.read_csv(FOLDER / "short-training" / study.config.recorded_losses).sort_values("latency_ms")
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


# Everything that follows trains, or could.


def has_figures(name: str) -> bool:
    return "## Figures" in (FOLDER / name / "README.md").read_text()


@pytest.mark.parametrize("name", [name for name in NAMES if has_figures(name)])
def test_figures_in_a_readme_are_those_of_a_whole_study(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in {name, "search-table", "short-training"}:
        shutil.copytree(FOLDER / folder, tmp_path / folder)
    load("analyse").main([str(tmp_path / name)])
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    readme = (FOLDER / name / "README.md").read_text()
    for found in document.get("comparisons", {}).values():
        assert f"{found['mean']:+.4f}" in readme and f"[{found['low']:+.4f}, {found['high']:+.4f}]" in readme


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return load("toy_studies").toy_text(tmp_path / "text.txt")


@pytest.fixture
def toy(tmp_path: Path, text: Path) -> Any:
    """Makes a study's folder at toy scale."""
    maker = load("toy_studies")

    def make(name: str, **changes: Any) -> Path:
        def change(config: dict[str, Any]) -> None:
            budgets = [64 * 2**place for place in range(len(config["tokens"]))]
            config |= {
                "data": str(text),
                "tokens": budgets,
                "recipe": maker.TOY_RECIPE,
                "seeds": config.get("seeds", [0])[:2],
            }
            config.pop("parameters_within", None)
            if name == "depth-width":
                kept = {label: notation for label, notation in config["networks"].items() if " x 64" in label}
                config["networks"] = {
                    label.replace("64", width): notation.replace("64", width)
                    for width in ("32", "64", "96")
                    for label, notation in list(kept.items())[:3]
                }
            elif "networks" in config:
                config["networks"] = {label: maker.tiny(found) for label, found in config["networks"].items()}
            if "sweep" in config:
                config["sweep"]["learning_rates"] = [0.001, 0.004]
            config |= changes
            for key in [key for key, value in config.items() if value is None]:
                del config[key]

        return maker.copied(name, tmp_path, change)

    return make


def trained(folder: Path, *options: str, stop_at: int | None = None) -> None:
    executor = partial(load("toy_studies").InlineExecutor, stop_at=stop_at)
    load("train").main([str(folder), "--work", str(folder.parent / "work"), *options], executor)


def analysed(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    out = folder.parent / "page.html"
    load("analyse").main([str(folder), "--out", str(out)])
    assert out.read_text().startswith("<!doctype html>")
    document: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return document


@pytest.mark.parametrize("name", ["operators", "meta-tokens", "weight-norm"])
def test_comparisons_from_end_to_end(name: str, toy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    changes = {"seeds": [0, 1]} if name != "operators" else {"seeds": [0]}
    folder = toy(name, **changes)
    trained(folder)
    document = analysed(folder, capsys)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    arms = len(config.get("arms", [""]))
    assert len(document["losses"]) == len(config["networks"]) * arms
    for found in document["comparisons"].values():
        assert found["n"] == len(config["seeds"]) and (found["low"] is None) == (found["n"] == 1)
    if name == "weight-norm":
        assert {row["learning_rate"] for row in document["learning_rates"]} <= {0.001, 0.004}
        shards = len(list((folder / "recorded" / "trainings").glob("*.json")))
        assert shards == 6 * 2 + 6 * 2


def test_the_law_from_end_to_end(toy: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas_search.proxies.law.RESAMPLES", 5)
    folder = toy("depth-width", latency=None)
    trained(folder)
    document = analysed(folder, capsys)
    assert document["law"]["rows"] == len(pd.read_csv(folder / "recorded" / "table.csv")) == 36
    assert document["best_by_latency"] == []


def test_agreement_from_end_to_end(toy: Any, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    networks = {f"n{place}": f"w32 a f[hidden={16 * place}]" for place in range(1, 10)}
    recorded = pd.DataFrame({"architecture": networks.values(), "bits_per_byte_32": range(9), "bits_per_byte_64": 1.0})
    recorded["latency_ms"] = 1.0 + recorded.index
    recorded.to_csv(tmp_path / "before.csv", index=False)
    corpus = load_corpus(str(text)).hash
    changes = {"networks": networks, "recorded_losses": "../before.csv", "recorded_corpus": corpus}
    folder = toy("short-training", **changes)
    trained(folder)
    document = analysed(folder, capsys)
    assert [row["name"] for row in document["agreement"]["proxies"] if row["rung"] is not None] == [
        "bits_per_byte_32",
        "bits_per_byte_64",
    ]
    assert document["greatest_difference_to_recorded"] > 0
    config = yaml.safe_load((folder / "config.yaml").read_text()) | {"recorded_corpus": "other"}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(InputError, match="losses were recorded on text other"):
        load("analyse").main([str(folder)])


def test_twins_from_end_to_end(toy: Any, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    networks = {f"n{place}": f"w64 a f[hidden={16 * place}]" for place in range(1, 10)}
    recorded = pd.DataFrame({"architecture": networks.values(), "bits_per_byte_32": range(9), "bits_per_byte_64": 1.0})
    recorded["bits_per_byte_64"] += recorded.index
    recorded["latency_ms"] = 1.0 + recorded.index
    recorded.to_csv(tmp_path / "before.csv", index=False)
    changes = {"networks": networks, "recorded_losses": "../before.csv", "recorded_corpus": load_corpus(str(text)).hash}
    folder = toy("twins", extends=None, tokens=[64, 128], arms={"twins": {"widths": {64: 32}}}, **changes)
    trained(folder)
    document = analysed(folder, capsys)
    shards = [json.loads(path.read_text()) for path in (folder / "recorded" / "trainings").glob("*.json")]
    assert {shard["training"]["architecture"] for shard in shards} == {
        notation.replace("w64", "w32") for notation in networks.values()
    }
    found = {
        row["name"]: row["overall"]["tau"]["value"]
        for row in document["agreement"]["proxies"]
        if row["rung"] is not None
    }
    assert list(found) == ["twin_64", "twin_128", "bits_per_byte_32"]
    assert found["bits_per_byte_32"] == 1.0 and found["twin_64"] < 1.0
    assert len(document["times_fewer_parameters"]) == 9 and min(document["times_fewer_parameters"]) > 1
    config = yaml.safe_load((folder / "config.yaml").read_text())
    for widths, words in (({32: 16}, "widths: none for 64"), ({64: 40}, "widths: no twin of w64 a .*head_dim=32")):
        config["arms"]["twins"]["widths"] = widths
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        with pytest.raises(InputError, match=words):
            trained(folder)


def test_trainings_on_several_texts_are_told_apart(
    toy: Any, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = toy("operators", networks={"one": "w32 a f", "two": "w32 d f"}, comparisons=[["one", "two"]], seeds=[0])
    with pytest.raises(InputError, match="no training is recorded"):
        analysed(folder, capsys)
    trained(folder)
    one = analysed(folder, capsys)
    text.write_text(text.read_text().replace("a", "b"))
    trained(folder)
    with pytest.raises(InputError, match=f"trainings on 2 texts; say which, --text .*{one['text']}"):
        load("analyse").main([str(folder)])
    capsys.readouterr()
    load("analyse").main([str(folder), "--text", one["text"]])
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == one


def shards_of(folder: Path) -> dict[str, Any]:
    """What was scored, without what differs from time to time."""
    found = {}
    for path in (folder / "recorded" / "trainings").glob("*.json"):
        document = json.loads(path.read_text())
        found[path.stem] = [score["bits_per_byte"] for score in document["scores"]]
    return found


def test_an_interrupted_study_goes_on_and_repeats_nothing(toy: Any, tmp_path: Path) -> None:
    networks = {"one": "w32 a f", "two": "w32 d f"}
    folder = toy("operators", networks=networks, comparisons=[["one", "two"]], tokens=[64, 128], seeds=[0, 1])
    with pytest.raises(KeyboardInterrupt):
        trained(folder, "--jobs", "2", stop_at=5)
    before = shards_of(folder)
    assert 0 < len(before) < 4
    stamps = {path: path.stat().st_mtime_ns for path in (folder / "recorded" / "trainings").iterdir()}
    with pytest.raises(InputError, match=f"{len(before)} of 4 trainings are recorded"):
        load("analyse").main([str(folder)])
    trained(folder, "--jobs", "2", stop_at=3)  # eight jobs in all
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    assert not list((tmp_path / "work" / "checkpoints").iterdir())
    undisturbed = load("toy_studies").copied("operators", tmp_path / "again", lambda config: None)
    (undisturbed / "config.yaml").write_text((folder / "config.yaml").read_text())
    trained(undisturbed)
    assert shards_of(folder) == shards_of(undisturbed)


def test_real_workers(toy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    folder = toy("meta-tokens", networks={"one": "w32 a f"}, seeds=[0])
    load("train").main([str(folder), "--work", str(folder.parent / "work"), "--jobs", "1"])
    assert len(shards_of(folder)) == 2
    assert "meta=16" in capsys.readouterr().out


def test_what_is_listed_and_estimated(toy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    folder = toy("weight-norm", networks={"one": "w32 a f"}, seeds=[0, 1])
    trained(folder, "--list")
    assert "0 of 4 trainings are done; 2 more networks wait for their learning rate" in capsys.readouterr().out
    trained(folder, "--dry-run", "--jobs", "1")
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("8 trainings, 512 tokens: about 0.00 hours with 1 jobs")
    assert not shards_of(folder)
    trained(folder)
    capsys.readouterr()
    trained(folder, "--list")
    assert "8 of 8 trainings are done\n" in capsys.readouterr().out
    trained(folder, "--dry-run")
    assert "0 trainings" in capsys.readouterr().out


def test_hours_are_those_of_the_rates() -> None:
    plan, hours = load("plan"), load("hours")
    study = plan.Study(FOLDER / "depth-width", "hash", "cpu")
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


def test_a_damaged_shard_is_named(toy: Any) -> None:
    folder = toy("operators", networks={"one": "w32 a"}, comparisons=[])
    shards = folder / "recorded" / "trainings"
    shards.mkdir(parents=True)
    (shards / "0123456789abcdef.json").write_text('{"training"')
    with pytest.raises(InputError, match=r"0123456789abcdef\.json: damaged"):
        trained(folder)


def test_a_failed_training_is_recorded_and_not_tried_again(toy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    folder = toy("operators", networks={"one": "w32 a f", "two": "w32 d f"}, comparisons=[["one", "two"]], seeds=[0, 1])
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["recipe"] |= {"learning_rate": 1e30, "clip_norm": 1e30}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    trained(folder)
    assert all(losses == [None] for losses in shards_of(folder).values())
    trained(folder, stop_at=0)
    document = analysed(folder, capsys)
    assert document["comparisons"]["one less two"]["mean"] is None
    assert not document["comparisons"]["one less two"]["significant"]


def test_a_job_that_fails_ends_the_study(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("no such luck")

    monkeypatch.setattr(load("toy_studies"), "train", broken)
    folder = toy("operators", networks={"one": "w32 a"}, comparisons=[])
    with pytest.raises(RunError, match="w32 a: ValueError: no such luck"):
        trained(folder)


def test_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    script = load("script")

    def ends(error: BaseException) -> Any:
        def main() -> None:
            raise error

        return script.run_script(main)

    assert [script.run_script(lambda: None), ends(RunError("a\nb")), ends(InputError("c"))] == [0, 1, 2]
    assert ends(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err.splitlines()[:2] == ["a b", "c"]
