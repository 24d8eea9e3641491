"""Documents to shards to windows, and what the order of files, the size of shards and a seed change of it."""

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shard_maker import DOCUMENTS, documents_of, row, write_jsonl

from nas_search.errors import InputError, RunError
from nas_search.proxies import corpus_size
from nas_search.proxies.data import Corpus, load_corpus
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.shards import documents as documents_module
from nas_search.proxies.shards.index import ShardIndex
from nas_search.proxies.shards.prepare import prepare_shards
from nas_search.proxies.short_training import train_rung
from nas_search.proxies.windows import TrainingWindows, validation_windows
from nas_search.space.architecture import Architecture

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    prepare_shards([str(write_jsonl(tmp_path / "a.jsonl"))], tmp_path / "shards", held_out=0.1)
    return tmp_path / "shards"


def test_documents_come_back_in_their_order(shards: Path, tmp_path: Path) -> None:
    corpus = load_corpus(str(shards), cache_dir=tmp_path / "cache")
    train, held_out = documents_of(corpus.train), documents_of(corpus.validation)
    assert sorted(train + held_out) == sorted(DOCUMENTS)
    assert train == [text for text in DOCUMENTS if text in set(train)]
    assert 0.07 < len(held_out) / len(DOCUMENTS) < 0.13
    assert (corpus.vocabulary, corpus.bytes_per_token, corpus.name) == (256, 1.0, "a.jsonl")
    assert Corpus.open(corpus.path).hash == corpus.hash


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(
    texts=st.lists(TEXT, max_size=30),
    shard_tokens=st.integers(1, 200),
    batch=st.integers(1, 60),
    length=st.integers(1, 7),
    seed=st.integers(0, 9),
)
def test_shards_are_one_row_of_tokens_however_they_are_cut(
    tmp_path: Path, *, texts: list[str], shard_tokens: int, batch: int, length: int, seed: int
) -> None:
    folder = tmp_path / hashlib.sha256(repr((texts, shard_tokens, batch, length, seed)).encode()).hexdigest()
    folder.mkdir(exist_ok=True)
    texts = [*texts, *(f"text {number}" for number in range(40))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents_module, "_BATCH_CHARACTERS", batch)
        for name in ("MIN_TRAIN_TOKENS", "MIN_VALIDATION_TOKENS"):
            patch.setattr(corpus_size, name, 1)
        source = str(write_jsonl(folder / "a.jsonl", texts))
        prepare_shards([source], folder / "out", held_out=0.5, shard_tokens=shard_tokens)
    corpus = Corpus.open(folder / "out")
    full = [text for text in texts if text.strip()]
    assert sorted(documents_of(corpus.train) + documents_of(corpus.validation)) == sorted(full)
    assert not set(documents_of(corpus.train)) & set(documents_of(corpus.validation))
    in_memory = row(corpus.train)
    ours, plain = (TrainingWindows(tokens, length, 3, seed) for tokens in (corpus.train, in_memory))
    for step in (0, 1, 57):
        assert np.array_equal(ours.batch(step), plain.batch(step))
    held_out = validation_windows(corpus.validation, length, 50)
    assert np.array_equal(held_out, validation_windows(row(corpus.validation), length, 50))


def test_an_epoch_has_every_window_once_and_follows_from_the_seed(shards: Path) -> None:
    tokens = Corpus.open(shards).train
    count = (len(tokens) - 16) // 16
    one, other = (TrainingWindows(tokens, 16, 1, seed) for seed in (0, 1))
    windows = [tuple(one.batch(step)[0].tolist()) for step in range(count)]
    in_memory, drawn = row(tokens).tolist(), set(windows)
    start = next(i for i in range(16) if tuple(in_memory[i : i + 17]) in drawn)
    expected = [tuple(in_memory[start + 16 * i : start + 16 * i + 17]) for i in range(count)]
    assert sorted(windows) == sorted(expected)
    assert windows != expected
    assert [tuple(other.batch(step)[0].tolist()) for step in range(20)] != windows[:20]


def test_equal_texts_have_equal_hashes_wherever_they_are(shards: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    again = prepare_shards([str(write_jsonl(elsewhere / "b.jsonl"))], elsewhere / "out", held_out=0.1)
    first = ShardIndex.read(shards)
    assert (again.hash, again.name) == (first.hash, "b.jsonl")
    assert again.hash == "ae4e16d03bc6ef0c"
    other = prepare_shards([str(elsewhere / "b.jsonl")], elsewhere / "more", held_out=0.2)
    assert other.hash != first.hash


def test_what_is_held_out_does_not_depend_on_order_and_files(shards: Path, tmp_path: Path) -> None:
    reverse = DOCUMENTS[::-1]
    sources = [write_jsonl(tmp_path / "x.jsonl", reverse[:300]), write_jsonl(tmp_path / "w.jsonl", reverse[300:])]
    index = prepare_shards(list(map(str, sources)), tmp_path / "out", held_out=0.1)
    assert index.name == "x.jsonl and 1 more"
    ours, theirs = Corpus.open(tmp_path / "out"), Corpus.open(shards)
    assert documents_of(ours.validation) == documents_of(theirs.validation)[::-1]
    assert documents_of(ours.train) == documents_of(theirs.train)[::-1]
    assert ours.hash != theirs.hash


def test_a_tokenizer_is_learned_from_what_is_not_held_out(tmp_path: Path) -> None:
    source = str(write_jsonl(tmp_path / "a.jsonl"))
    index = prepare_shards([source], tmp_path / "out", tokenizer="bpe:320", held_out=0.1)
    corpus = load_corpus(str(tmp_path / "out"), "bpe:320", tmp_path / "cache")
    assert (index.dtype, corpus.vocabulary) == ("uint16", 320)
    text = corpus.tokenizer.decode(row(corpus.validation).tolist())
    held_out = text.split("\0")[:-1]
    assert set(held_out) < set(DOCUMENTS)
    assert corpus.bytes_per_token == pytest.approx(len(text.encode()) / len(corpus.validation))
    assert corpus.bytes_per_token > 1.5
    separator = corpus.tokenizer.encode("\0")
    assert len(separator) == 1
    assert (row(corpus.validation) == separator[0]).sum() == len(held_out)


def test_interrupted_and_run_again_it_gives_the_same(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents_module, "_BATCH_CHARACTERS", 5000)
    source, out = str(tmp_path / "a.jsonl"), tmp_path / "out"
    whole = prepare_shards([source], tmp_path / "whole", tokenizer="bpe:320", held_out=0.1, shard_tokens=3000)
    assert len(whole.train) > 2
    notes: list[str] = []

    def run(stop_after: int) -> None:
        left = [stop_after]

        def stop(done: int, total: int) -> None:
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt

        prepare_shards(
            [source], out, tokenizer="bpe:320", held_out=0.1, shard_tokens=3000, progress=stop, note=notes.append
        )

    interruptions = 0
    while not (out / "shards.json").exists():
        with contextlib.suppress(KeyboardInterrupt):
            run(stop_after=5)
            break
        interruptions += 1
        with pytest.raises(InputError, match="not finished; run the same"):
            Corpus.open(out)
    assert interruptions > 2
    assert f"{out}: going on after" in notes[0]
    assert ShardIndex.read(out) == whole
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()
    }


def test_an_interruption_before_the_first_shard_leaves_nothing(shards: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    for existed in (False, True):
        if existed:
            (tmp_path / "out").mkdir()
        with pytest.raises(KeyboardInterrupt):
            prepare_shards([str(tmp_path / "a.jsonl")], tmp_path / "out", progress=stop)
        assert (tmp_path / "out").is_dir() == existed
    assert not list((tmp_path / "out").iterdir())


def test_what_cannot_go_on(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents_module, "_BATCH_CHARACTERS", 5000)
    source, out = tmp_path / "a.jsonl", tmp_path / "out"

    def stop(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_shards([str(source)], out, held_out=0.1, shard_tokens=3000, progress=stop)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(InputError, match="begun with another held out; give the same or another folder"):
        prepare_shards([str(source)], out, held_out=0.2, shard_tokens=3000)
    with pytest.raises(InputError, match="begun with another tokenizer; give the same"):
        prepare_shards([str(source)], out, held_out=0.1, shard_tokens=3000, tokenizer="bpe:320")
    original = source.read_text()
    source.write_text(original.replace("document 5:", "document X:"))
    with pytest.raises(InputError, match="texts have changed since the preparation began"):
        prepare_shards([str(source)], out, held_out=0.1, shard_tokens=3000)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.suffix != ".part"} == {
        name: content for name, content in before.items() if not name.endswith(".part")
    }
    source.write_text(original)
    assert prepare_shards([str(source)], out, held_out=0.1, shard_tokens=3000).documents == len(DOCUMENTS)


def test_a_folder_of_mixed_files(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    (folder / "sub").mkdir(parents=True)
    write_jsonl(folder / "b.jsonl", [*DOCUMENTS, "", " \n"])
    (folder / "a.txt").write_text("plain text first")
    (folder / "sub" / "picture.png").write_bytes(b"\x89PNG\0\xff")
    notes: list[str] = []
    index = prepare_shards([str(folder)], tmp_path / "out", held_out=0.1, note=notes.append)
    assert (index.documents, index.empty, index.name) == (len(DOCUMENTS) + 1, 2, "texts")
    assert notes == [f"{folder / 'sub' / 'picture.png'}: no text, left out"]
    corpus = Corpus.open(tmp_path / "out")
    assert "plain text first" in {*documents_of(corpus.train)[:1], *documents_of(corpus.validation)[:1]}


def test_what_a_killed_process_left_is_taken_away(shards: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / ".preparing.json.0123456789ab").write_text("{")
    prepare_shards([str(tmp_path / "a.jsonl")], out, held_out=0.1)
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in shards.iterdir())


def test_what_is_written_into_a_source_folder_is_no_text_of_it(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents_module, "_BATCH_CHARACTERS", 5000)
    folder = tmp_path / "texts"
    folder.mkdir()
    shutil.copy(tmp_path / "a.jsonl", folder)

    def stop(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_shards([str(folder)], folder / "out", held_out=0.1, shard_tokens=9000, progress=stop)
    assert (folder / "out" / "train-00000.bin").exists()
    index = prepare_shards([str(folder)], folder / "out", held_out=0.1, shard_tokens=9000)
    assert index.documents == len(DOCUMENTS)
    assert documents_of(Corpus.open(folder / "out").validation) == documents_of(Corpus.open(shards).validation)


def test_sources_of_this_python_in_another_encoding_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "a.py").write_bytes(b"# \xe9")
    (tmp_path / "library" / "b.py").write_text("".join(f"x{number} = {number}\n" for number in range(40_000)))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path / "library"))
    notes: list[str] = []
    prepare_shards(["embedded"], tmp_path / "out", held_out=0.5, note=notes.append)
    assert notes == [f"{tmp_path / 'library' / 'a.py'}: no text, left out"]


def test_a_dataset_that_datasets_saved(tmp_path: Path) -> None:
    """Two Arrow streams in an order of their own, notes beside them, and a cache that is no part of it."""
    folder = tmp_path / "saved" / "train"
    folder.mkdir(parents=True)
    for name, documents in {
        "data-0.arrow": DOCUMENTS[:400],
        "data-1.arrow": DOCUMENTS[400:],
        "cache-1.arrow": ["x"],
    }.items():
        table = pa.table({"text": documents})
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table)
    (folder / "state.json").write_text(
        json.dumps({"_data_files": [{"filename": "data-0.arrow"}, {"filename": "data-1.arrow"}]})
    )
    (folder / "dataset_info.json").write_text("{}")
    (tmp_path / "saved" / "dataset_dict.json").write_text('{"splits": ["train"]}')
    assert prepare_shards([str(folder.parent)], tmp_path / "out", held_out=0.1).documents == len(DOCUMENTS)
    assert prepare_shards([str(folder)], tmp_path / "one", held_out=0.1).hash == ShardIndex.read(tmp_path / "out").hash


def test_training_on_shards_is_training_on_the_tokens(
    shards: Path, tmp_path: Path, recipe: TrainingRecipe, architecture: Architecture
) -> None:
    corpus = load_corpus(str(shards), cache_dir=tmp_path / "cache")
    in_memory = dataclasses.replace(corpus, train=row(corpus.train), validation=row(corpus.validation))
    scores = [
        train_rung(
            architecture, each, recipe, rungs=[1024], rung=0, seed=0, checkpoint_dir=tmp_path / name
        ).bits_per_byte
        for name, each in (("mapped", corpus), ("memory", in_memory))
    ]
    assert scores[0] == scores[1] is not None


def test_a_disk_that_is_full(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"cannot write the shards to .*No space left on device"):
        prepare_shards([str(tmp_path / "a.jsonl")], tmp_path / "out", held_out=0.1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "held_out", "reason"),
    [
        ("", 0.1, "data 'b.jsonl': there is no text in it"),
        ('{"text": " "}\n', 0.1, "there is no text in it"),
        ('{"text": "short"}\n', 0.1, "too small, "),
        ('{"text": "fine"}\n{"text": \n', 0.1, r"b\.jsonl, line 2: not JSON"),
        ('{"body": "fine"}\n', 0.1, r"b\.jsonl, line 1: no string field 'text' \(it has body\)"),
        ('{"text": "fine"}\n', 0.0, "held out 0: not a share above 0"),
        ('{"text": "fine"}\n', 0.9, "held out 0.9: not a share"),
    ],
)
def test_texts_that_make_no_corpus(tmp_path: Path, content: str, held_out: float, reason: str) -> None:
    path = tmp_path / "b.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match=reason):
        prepare_shards([str(path)], tmp_path / "out", held_out=held_out)
    assert list(tmp_path.iterdir()) == [path]


def test_folders_that_make_no_corpus(shards: Path, tmp_path: Path) -> None:
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.mkdir()
    binary.mkdir()
    (binary / "a.bin").write_bytes(b"\xff\0")
    for source, out, reason in (
        (empty, "out", "no file in this folder"),
        (binary, "out", "data 'binary': there is no text in it"),
        (binary / "a.bin", "out", r"a\.bin: not UTF-8 text at byte 0"),
        (shards, "out", "holds prepared data; give it as --data"),
        (tmp_path / "gone", "out", "no such file or folder"),
        (tmp_path / "a.jsonl", "shards", "holds prepared data already; give another folder"),
        (tmp_path / "a.jsonl", "binary", "not empty and not an interrupted preparation"),
        (tmp_path / "a.jsonl", "a.jsonl", "a file; give a folder"),
        (tmp_path / "a.jsonl", "no/where", "there is no folder"),
    ):
        with pytest.raises(InputError, match=reason):
            prepare_shards([str(source)], tmp_path / out)
    assert {path.name for path in tmp_path.iterdir()} == {"a.jsonl", "shards", "empty", "binary"}
    shutil.rmtree(shards)
