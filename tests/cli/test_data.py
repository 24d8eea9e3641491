"""``nas-search data``: text into shards, and what a folder of them holds."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas_search.search.lock import RunLock

sys.path.insert(0, str(Path(__file__).parents[1] / "proxies"))
from shard_maker import DOCUMENTS, write_jsonl

Cli = Callable[..., Any]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "ducks.jsonl", [*DOCUMENTS, " "])


@pytest.fixture
def shards(nas_search: Cli, source: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "shards"
    assert nas_search("data", "prepare", source, "--out", folder, "--held-out", "0.1").code == 0
    return folder


def test_text_becomes_shards_that_are_shown(nas_search: Cli, source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    outcome = nas_search("data", "prepare", source, "--out", folder, "--tokenizer", "bpe:320", "--held-out", "0.1")
    assert (outcome.code, outcome.err) == (0, "")
    assert "text: ducks.jsonl, 900 documents, 1 empty ones left out" in outcome.out
    assert "tokenizer: bpe:320, 320 different tokens as uint16" in outcome.out
    assert outcome.out.strip().endswith(str(folder))
    assert nas_search("data", "show", folder).out == outcome.out
    document = nas_search("data", "show", folder, "--json").document
    assert document["corpus"] in outcome.out
    assert document["train_tokens"] == sum(shard["tokens"] for shard in document["train"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "ducks.jsonl", "shards"]


def test_a_field_of_another_name(nas_search: Cli, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"body": text}) + "\n" for text in DOCUMENTS))
    common = ("data", "prepare", path, "--out", tmp_path / "out", "--held-out", "0.1", "--json")
    refused = nas_search(*common)
    assert refused.code == 2
    assert "a.jsonl, line 1: no string field 'text' (it has body)" in refused.err
    assert nas_search(*common, "--text-field", "body").document["documents"] == 900


def test_a_search_does_not_begin_with_shards_of_another_tokenizer(
    nas_search: Cli, shards: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    outcome = nas_search("--data", shards, "--tokenizer", "bpe:320", "--run", run)
    assert outcome.code == 2
    assert f"data '{shards}': tokens of bytes, not of bpe:320; name the tokenizer bytes" in outcome.err
    assert not run.exists()


def test_a_training_on_shards_says_how_many_epochs_it_is(nas_search: Cli, source: Path, tmp_path: Path) -> None:
    shards, recipe = tmp_path / "few", tmp_path / "recipe.yaml"
    write_jsonl(source, DOCUMENTS[:150])
    assert nas_search("data", "prepare", source, "--out", shards, "--held-out", "0.2").code == 0
    recipe.write_text(
        f"architecture: w32 a f\ndata: {shards}\ntokens: 40000\ndevice: cpu\n"
        "recipe: {sequence_length: 256, batch: 16, warmup_tokens: 0, validation_tokens: 1024}\n"
    )
    available = nas_search("data", "show", shards, "--json").document["train_tokens"]
    outcome = nas_search("train", recipe, "--out", tmp_path / "trained", "--json")
    assert outcome.code == 0
    said = f"{available:,} tokens to train on, so 40,000 are {40_000 / available:.1f} epochs"
    assert f"data '{shards}': {said}" in outcome.err
    assert outcome.document["train_tokens"] == available
    assert "| epochs | " in (tmp_path / "trained" / "README.md").read_text()


def test_an_interruption_says_what_is_kept(
    nas_search: Cli, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nas_search.proxies.shards.prepare.prepare_shards", interrupted)
    out = tmp_path / "out"
    outcome = nas_search("data", "prepare", source, "--out", out)
    assert (outcome.code, outcome.err) == (130, "Interrupted. No shard was complete, so nothing is kept.\n")
    out.mkdir()
    (out / "preparing.json").touch()
    outcome = nas_search("data", "prepare", source, "--out", out)
    assert "The same command goes on behind the last complete shard." in outcome.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ducks.jsonl", "out"]


def test_two_at_once_in_one_folder(nas_search: Cli, source: Path, tmp_path: Path) -> None:
    with RunLock(tmp_path / ".out.lock"):
        outcome = nas_search("data", "prepare", source, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert "another preparation is running there" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare", "gone.jsonl", "--out", "{folder}/out"], "data 'gone.jsonl': no such file or folder"),
        (["prepare", "{source}", "--out", "{folder}/no/out"], "there is no folder"),
        (["prepare", "{source}", "--out", "{folder}"], "not empty and not an interrupted preparation"),
        (["prepare", "{source}", "--out", "{source}"], "a file; give a folder for the shards"),
        (["prepare", "{source}", "--out", "{folder}/out", "--tokenizer", "words"], "tokenizer 'words'"),
        (["prepare", "{source}", "--out", "{folder}/out", "--held-out", "2"], "held out 2: not a share above 0"),
        (["prepare", "{source}", "--out", "{folder}/out"], "too small, "),
        (["prepare", "{source}"], "Missing option '--out'"),
        (["prepare", "--out", "{folder}/out"], "Missing argument"),
        (["show", "{folder}"], "no prepared data, there is no shards.json; 'nas-search data prepare' makes such"),
        ([], "data: say what to do: prepare or show"),
    ],
)
def test_what_cannot_be_done(nas_search: Cli, source: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    if "too small" in message:
        write_jsonl(source, DOCUMENTS[:9])
    outcome = nas_search("data", *(each.format(source=source, folder=tmp_path) for each in arguments))
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
    assert arguments == [] or outcome.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [source]
