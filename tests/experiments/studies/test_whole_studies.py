"""Studies at toy scale, from their configs to their figures."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from toy_studies import analysed, load, shards_of, trained

from nas_search.errors import InputError
from nas_search.proxies.data import load_corpus


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
