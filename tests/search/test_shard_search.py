"""Searches on prepared data, and on data that is smaller than a budget."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from search_fakes import FAKES, TEXT, Bench, InlineExecutor, Recorder, fake_train

from nas_search.errors import InputError
from nas_search.proxies.shards.prepare import prepare_shards
from nas_search.search.jobs import JsonObject, Progress


@pytest.fixture
def shards(bench: Bench) -> Path:
    source = bench.folder / "a.jsonl"
    source.write_text("".join(json.dumps({"text": f"{i} {TEXT}" * 9}) + "\n" for i in range(300)))
    prepare_shards([str(source)], bench.folder / "shards", held_out=0.1)
    return bench.folder / "shards"


def test_a_search_maps_shards_where_they_lie(bench: Bench, shards: Path) -> None:
    opened = set()

    def train(arguments: Mapping[str, Any], run_dir: Path, progress: Progress) -> JsonObject:
        opened.add(arguments["corpus"])
        return fake_train(arguments, run_dir, progress)

    def make(run_dir: Path, workers: int) -> InlineExecutor:
        return InlineExecutor(run_dir, workers, functions=FAKES | {"train": train})

    study = bench.run("run", make_executor=make, data=str(shards))
    assert opened == {str(shards)}
    assert study.config.data == str(shards)
    assert bench.run("run", data=str(shards), trials=7).facts == study.facts
    with (shards / "train-00000.bin").open("r+b") as file:
        file.write(b"X")
    with pytest.raises(InputError, match=r"train-00000\.bin: changed since it was prepared"):
        bench.run("run", data=str(shards))


def test_data_smaller_than_a_budget_is_said_as_epochs(bench: Bench, shards: Path) -> None:
    observer = Recorder()
    study = bench.run("run", observer=observer, data=str(shards), tokens=9 * 65_536, confirm_tokens=1_000_000)
    assert study.facts is not None
    tokens = study.facts.train_tokens
    assert tokens is not None
    said = f"data '{shards}': {tokens:,} tokens to train on, so 1,000,000 are {1_000_000 / tokens:.1f} epochs"
    assert observer.notes[0] == said
    enough = Recorder()
    bench.run("other", observer=enough, data=str(shards), tokens=9 * 16_384, confirm_members=0)
    assert not any("epochs" in note for note in enough.notes)
