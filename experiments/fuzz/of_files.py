"""Targets that are files of other kinds: weights, trunks, tokenizers, shards, laws, results, texts."""

from __future__ import annotations

import gzip
import io
import json
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from mutation import mutated_bytes, mutated_lines, mutated_tree
from of_runs import json_draw
from target import Case, Target

NETWORK = "w32 a f"
SENTENCES = [f"document {number}: " + f"{number % 13} little ducks went out\n" * (number % 9) for number in range(300)]


def _weights(folder: Path) -> Case:
    """What ``nas_search.load`` reads: safetensors with a header of JSON, and the tokenizer that it names."""
    import torch
    from safetensors.torch import save

    from nas_search.results.loaded_model import load_model
    from nas_search.space.architecture import Architecture
    from nas_search.space.model import HybridLM

    architecture = Architecture.parse(NETWORK)
    weights = {name: value.detach() for name, value in HybridLM(architecture).named_parameters()}
    whole = save(weights, {"format": "pt", "tokenizer": "bytes"})
    (folder / "architecture.yaml").write_text(architecture.to_yaml())
    file = folder / "model.safetensors"
    torch.set_num_threads(1)

    def read(data: bytes) -> None:
        file.write_bytes(data)
        load_model(folder)

    return Case(lambda rng: _other_header(whole, rng), read)


def _trunk(folder: Path) -> Case:
    """A training's checkpoint, which counts as none where it is damaged."""
    import torch
    from safetensors.torch import save

    from nas_search.proxies.checkpoint import TRUNK_FILE, load_trunk
    from nas_search.proxies.recipe import TrainingRecipe
    from nas_search.proxies.trunk import Trunk
    from nas_search.space.architecture import Architecture

    torch.set_num_threads(1)
    make = _trunk_maker(Architecture.parse(NETWORK), TrainingRecipe.model_validate({}), Trunk)
    weights = {f"weights.{name}": value.detach() for name, value in make().model.named_parameters()}
    whole = save({**weights, "losses": torch.zeros(3, dtype=torch.float64)}, {"identity": "i", "steps": "3"})
    file = folder / TRUNK_FILE

    def read(data: bytes) -> None:
        file.write_bytes(data)
        load_trunk(make(), folder, "i", 99)

    return Case(lambda rng: _other_header(whole, rng), read)


def _trunk_maker(architecture: Any, recipe: Any, trunk: Any) -> Callable[[], Any]:
    import inspect

    known: dict[str, Any] = {"architecture": architecture, "recipe": recipe, "seed": 0, "device": "cpu"}
    wanted = [name for name in inspect.signature(trunk).parameters if name in known]
    return lambda: trunk(**{name: known[name] for name in wanted})


def _other_header(whole: bytes, rng: Random) -> bytes:
    """A safetensors file whose header of JSON says something else, or with other bytes."""
    if rng.random() < 0.3:
        return mutated_bytes(whole, rng)
    (size,) = struct.unpack("<Q", whole[:8])
    header = json.dumps(mutated_tree(json.loads(whole[8 : 8 + size]), rng)).encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(header)) + header + whole[8 + size :]


def _tokenizer(folder: Path) -> Case:
    from nas_search.proxies.tokenizer import TOKENIZER_FILE, load_tokenizer, train_tokenizer

    train_tokenizer("bpe:300", "".join(SENTENCES)).save(folder)
    file = folder / TOKENIZER_FILE

    def read(data: bytes) -> None:
        file.write_bytes(data)
        load_tokenizer("bpe:300", folder)

    return Case(json_draw(file.read_text()), read)


def _shards(folder: Path) -> Case:
    """The index of prepared data, and the sizes of its files."""
    import hashlib

    from nas_search.proxies.data import Corpus
    from nas_search.proxies.shards.index import FORMAT, INDEX_FILE

    tokens = bytes(range(1, 101)) * 50
    shard = {"tokens": len(tokens), "sha256": hashlib.sha256(tokens).hexdigest()}
    for name in ("train-00000.bin", "validation-00000.bin"):
        (folder / name).write_bytes(tokens)
    index = {
        "format": FORMAT, "name": "ducks", "tokenizer": "bytes", "tokenizer_hash": hashlib.sha256(b"bytes").hexdigest(),
        "vocabulary": 256, "dtype": "uint8", "bytes_per_token": 1.0, "held_out": 0.1, "documents": 9, "empty": 0,
        "train": [{"file": "train-00000.bin", **shard}], "validation": [{"file": "validation-00000.bin", **shard}],
    }  # fmt: skip
    file = folder / INDEX_FILE

    def read(data: bytes) -> None:
        file.write_bytes(data)
        corpus = Corpus.open(folder)
        len(corpus.train), corpus.tokenizer

    return Case(json_draw(json.dumps(index)), read)


def _law(folder: Path) -> Case:
    import numpy as np

    from nas_search.proxies.scaling_law import ScalingLaw

    best, spread = [2.0, 3.0, 0.5, 9.0, 0.4, 7.0, 0.3], [0.9, 1.1]
    names = ("L0", "a", "alpha", "b", "beta", "c", "gamma")
    error = {"n": 9, "mean": 0.01, "greatest": 0.1}
    law = {
        "format": 1, "source": "x.csv", "loss": "loss", "rows": 27, "dropped": [],
        "observed": {name: {"values": [2, 4, 8], "mean": 4} for name in ("depth", "width", "tokens")},
        "coefficients": {
            name: {"value": value, "low": value * spread[0], "high": value * spread[1]}
            for name, value in zip(names, best, strict=True)
        },
        "resampling": "2 fits", "resamples": [best, best], "error": error,
        "held_out": [{"rule": "the largest", "fitted": 20, "error": error}],
    }  # fmt: skip
    file = folder / "law.json"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        found = ScalingLaw.load(file)
        found.contributions(), found.predict(*(np.array([4.0]) for _ in range(3))), found.unbounded

    return Case(json_draw(json.dumps(law)), read)


def _network_folder(folder: Path) -> Case:
    """``result.json``, ``evaluation.json`` and ``export.json`` beside a network."""
    from nas_search.errors import InputError
    from nas_search.results.evaluation.record import EVALUATION_FILE, read_evaluations
    from nas_search.results.export.destination import MARK_FILE, check_destination
    from nas_search.results.training_result import RESULT_FILE, read_result

    score = {
        "task": "t", "version": "1", "metric": "acc", "filter": "none", "value": 0.5, "stderr": 0.1, "n": 9, "shots": 0,
        "higher_is_better": True,
    }  # fmt: skip
    evaluation = {
        "origin": "x", "architecture": NETWORK, "parameters": 9, "twin_of": None, "weights_hash": "0",
        "tokenizer": "bytes", "settings": {"tasks": ["t"]}, "cut": 0, "longest": 9,
        "trained_length": None, "device": "cpu", "versions": {},
        "scores": [score],
    }  # fmt: skip
    result = {
        "architecture": NETWORK, "parameters": 9, "asked_tokens": 9, "tokens": 9, "data": "embedded",
        "tokenizer": "bytes", "corpus": "c", "train_tokens": 9, "seed": 0,
        "bits_per_byte": 2.0, "low": 1.9, "high": 2.1, "windows": 9,
        "validation_tokens": 9, "device": "cpu",
    }  # fmt: skip
    mark = {"formats": ["yaml"], "files": ["architecture.yaml", "export.json"], "notes": []}
    draws = {RESULT_FILE: json_draw(json.dumps(result)), MARK_FILE: json_draw(json.dumps(mark)),
             EVALUATION_FILE: json_draw(json.dumps({"evaluations": [evaluation]}))}  # fmt: skip

    def draw(rng: Random) -> bytes:
        name = rng.choice(list(draws))
        return f"{name}\n".encode() + draws[name](rng)

    def read(data: bytes) -> None:
        name, _, content = data.partition(b"\n")
        for other in draws:
            (folder / other).unlink(missing_ok=True)
        file = next((folder / known for known in draws if known.encode() == name), None)
        if file is not None:
            file.write_bytes(content)
        found = read_result(folder)
        _ = None if found is None else found.rows
        with suppress(InputError):
            check_destination(folder, ["yaml"])
        _ = [evaluation.notes for evaluation in read_evaluations(folder)]

    return Case(draw, read)


def _texts(folder: Path) -> Case:
    """Documents: JSONL, compressed or not, parquet, Arrow and plain text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from nas_search.proxies.text_files import read_texts
    from nas_search.proxies.text_stream import stream_texts

    lines = "".join(json.dumps({"text": text}) + "\n" for text in SENTENCES[:40])
    rows = pa.table({"text": SENTENCES[:40], "id": list(range(40))})
    parquet, arrow = io.BytesIO(), io.BytesIO()
    pq.write_table(rows, parquet)
    with pa.ipc.new_file(arrow, rows.schema) as writer:
        writer.write_table(rows)
    zstd = pa.compress(lines.encode(), "zstd", asbytes=True)
    seeds = {
        ".jsonl": lines.encode(), ".jsonl.gz": gzip.compress(lines.encode(), 1), ".jsonl.zst": zstd,
        ".parquet": parquet.getvalue(), ".arrow": arrow.getvalue(), ".txt": "".join(SENTENCES).encode(),
    }  # fmt: skip

    def draw(rng: Random) -> bytes:
        kind = rng.choice(list(seeds))
        if kind == ".jsonl" and rng.random() < 0.5:
            return kind.encode() + b"\n" + mutated_lines(lines, rng).encode()
        return kind.encode() + b"\n" + mutated_bytes(seeds[kind], rng)

    def read(data: bytes) -> None:
        kind, _, content = data.partition(b"\n")
        if kind.decode("utf-8", "replace") not in seeds:
            return
        file = folder / f"texts{kind.decode()}"
        file.write_bytes(content)
        list(stream_texts(file, "text"))
        if kind in {b".jsonl", b".parquet", b".txt"}:
            read_texts(file)

    return Case(draw, read)


TARGETS = (
    Target("weights", "a network's weights", 5, _weights),
    Target("trunk", "a training's checkpoint", 4, _trunk),
    Target("tokenizer", "a network's tokenizer.json", 5, _tokenizer),
    Target("shards", "the index of prepared data", 35, _shards),
    Target("law", "a stored scaling law", 15, _law),
    Target("network-folder", "results, evaluations and marks of exports", 35, _network_folder),
    Target("texts", "documents to train on", 8, _texts),
)
