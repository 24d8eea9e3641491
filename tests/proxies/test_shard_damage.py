"""Shards that are not what their index says."""

import hashlib
import json
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shard_maker import write_jsonl

from nas_search.errors import InputError
from nas_search.proxies import data
from nas_search.proxies.data import Corpus, load_corpus
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.shards import check
from nas_search.proxies.shards.check import check_contents, remember_checked
from nas_search.proxies.shards.index import ShardIndex
from nas_search.proxies.shards.prepare import prepare_shards
from nas_search.proxies.short_training import train_rung
from nas_search.space.architecture import Architecture


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("prepared")
    prepare_shards([str(write_jsonl(folder / "a.jsonl"))], folder / "shards", tokenizer="bpe:320", held_out=0.1)
    return folder / "shards"


@pytest.fixture
def shards(prepared: Path, tmp_path: Path) -> Path:
    return shutil.copytree(prepared, tmp_path / "shards")


def _load(folder: Path, tokenizer: str = "bpe:320") -> Corpus:
    return load_corpus(str(folder), tokenizer, folder.parent / "cache")


def _change_index(folder: Path, **fields: Any) -> None:
    path = folder / "shards.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_another_tokenizer_than_that_of_the_shards(shards: Path) -> None:
    for name in ("bytes", "bpe:321"):
        with pytest.raises(InputError, match=f"tokens of bpe:320, not of {name}; name the tokenizer bpe:320"):
            _load(shards, name)


def test_an_architecture_of_another_vocabulary(shards: Path, recipe: TrainingRecipe, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a vocabulary of 256 is too small for text 'a\.jsonl' in 320 tokens"):
        train_rung(
            Architecture.parse("w32 a f"), _load(shards), recipe, rungs=[1024], rung=0, seed=0, checkpoint_dir=tmp_path
        )


@pytest.mark.parametrize("name", ["train-00000.bin", "validation-00000.bin"])
def test_a_shard_that_is_cut_short_or_gone(shards: Path, name: str) -> None:
    path = shards / name
    path.write_bytes(path.read_bytes()[:-2])
    for opened in (Corpus.open, _load):
        with pytest.raises(
            InputError, match=rf"{path}: [\d,]+ bytes instead of [\d,]+, so it is damaged; copy it again"
        ):
            opened(shards)
    path.unlink()
    with pytest.raises(InputError, match=rf"{path}: cannot be read: No such file"):
        Corpus.open(shards)


def test_a_changed_shard_is_found_though_it_was_right_before(shards: Path) -> None:
    path = shards / "train-00000.bin"
    right, stat = path.read_bytes(), path.stat()
    _load(shards)
    path.write_bytes(right[:-2] + bytes([right[-2] ^ 1, right[-1]]))
    with pytest.raises(InputError, match=rf"{path}: changed since it was prepared"):
        _load(shards)
    path.write_bytes(right)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert _load(shards).hash == ShardIndex.read(shards).hash


def test_shards_that_were_not_touched_are_not_read_again(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, done = ShardIndex.read(shards), list[int]()
    size = sum(map(index.size, index.shards))
    check_contents(shards, index, tmp_path / "one", lambda read, total: done.append(read))
    assert done[-1] == size
    remember_checked(shards, index, tmp_path / "two")
    monkeypatch.setattr(check, "_check_shard", None)
    for cache in ("one", "two"):
        assert load_corpus(str(shards), "bpe:320", tmp_path / cache).hash == index.hash


def test_a_check_that_takes_long_is_said_once(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "_LONG_CHECK_BYTES", 1000)
    with pytest.warns(UserWarning, match=f"data '{shards}': checking 0.0 GB of shards, once"):
        _load(shards)
    with warnings.catch_warnings(action="error"):
        _load(shards)


def test_where_no_note_can_be_kept_they_are_read_every_time(shards: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    assert _load(shards).hash == _load(shards).hash


def test_a_token_outside_of_the_vocabulary(shards: Path) -> None:
    path, index = shards / "train-00000.bin", ShardIndex.read(shards)
    tokens = np.fromfile(path, index.token_type)
    tokens[7] = 320
    tokens.tofile(path)
    shard = index.train[0].model_copy(update={"sha256": hashlib.sha256(path.read_bytes()).hexdigest()})
    _change_index(shards, train=[shard.model_dump()])
    with pytest.raises(InputError, match=rf"{path}: holds token 320, but the vocabulary of shards.json is 320"):
        _load(shards)


def test_another_tokenizer_file(shards: Path) -> None:
    path = shards / "tokenizer.json"
    path.write_text(path.read_text().replace('"version"', ' "version"', 1))
    with pytest.raises(InputError, match=rf"{path}: not the tokenizer of these shards"):
        Corpus.open(shards)
    path.unlink()
    with pytest.raises(InputError, match=rf"{path}: cannot be read"):
        Corpus.open(shards)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"format": 2}, "format: "),
        ({"dtype": "float32"}, "dtype: "),
        ({"train": []}, "train: "),
        ({"train": [{"file": "../train-00000.bin", "tokens": 1, "sha256": "0" * 64}]}, r"train\.0\.file: "),
        ({"bytes_per_token": 0}, "bytes_per_token: "),
        ({"surprise": 1}, "surprise: "),
    ],
)
def test_an_index_that_is_none(shards: Path, fields: dict[str, Any], reason: str) -> None:
    _change_index(shards, **fields)
    with pytest.raises(InputError, match=rf"{shards / 'shards.json'}: no index of shards: {reason}") as error:
        _load(shards)
    assert "\n" not in str(error.value)


def test_an_index_that_is_no_json(shards: Path) -> None:
    (shards / "shards.json").write_text('{"format": 1')
    with pytest.raises(InputError, match="no index of shards"):
        _load(shards)
