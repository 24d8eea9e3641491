"""Small trained-looking networks in folders, and tasks of a few samples whose data are local files."""

import json
import socket
from pathlib import Path

import datasets
import pytest
import yaml
from safetensors.torch import save_file

from nas_search.proxies.tokenizer import Tokenizer, train_tokenizer
from nas_search.results.winner_files import ARCHITECTURE_FILE, TOKENIZER_KEY, WEIGHTS_FILE
from nas_search.search.study import Study
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM

TEXT = "".join(f"{index % 10} little ducks went out one day, over the hill and far away\n" for index in range(400))

QUESTIONS = [
    {"question": "one little duck", "choices": [" went out", " sang", " hid"], "answer": 0},
    {"question": "over the ", "choices": ["hill", "hills and far away", "é→"], "answer": 1},
    {"question": "", "choices": ["a", "\n", "mother duck said"], "answer": 2},
    {"question": "far ", "choices": ["away", "out", "day"], "answer": 0},
]
TEXTS = ["one little duck went out one day", "quack", "naïve ducks\n\nsaid quack, quack, quack and none came back"]


def make_network(folder: Path, notation: str = "w32 a f m2 f", tokenizer: str = "bytes") -> Path:
    """A folder like that of ``nas-search train``, with weights that depend on nothing but the notation."""
    folder.mkdir(parents=True, exist_ok=True)
    made = make_tokenizer(tokenizer)
    made.save(folder)
    width, _, operators = notation.partition(" ")
    architecture = Architecture.parse(f"{width} vocab={made.vocabulary} {operators}")
    (folder / ARCHITECTURE_FILE).write_text(architecture.to_yaml())
    _save(architecture, folder / WEIGHTS_FILE, {"format": "pt", TOKENIZER_KEY: tokenizer})
    return folder


def save_winner(study: Study) -> None:
    """The weights that training would have left of a run's winner."""
    winner = study.winner()
    assert winner is not None and winner.confirmed is not None
    path = study.run_dir / winner.confirmed.best.weights
    path.parent.mkdir(exist_ok=True)
    _save(Architecture.parse(winner.trained_as), path, {})


def _save(architecture: Architecture, path: Path, metadata: dict[str, str]) -> None:
    weights = {name: weight.detach().contiguous() for name, weight in HybridLM(architecture).named_parameters()}
    save_file(weights, path, metadata)


def make_tokenizer(name: str) -> Tokenizer:
    """Bytes, or a BPE of the text above."""
    return train_tokenizer(name, TEXT)


def block_network(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Nothing is fetched, and what lm-eval prepares is written into ``folder``."""

    def refused(*_: object, **__: object) -> None:
        raise ConnectionRefusedError("a test asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def make_tasks(folder: Path) -> Path:
    """``tiny_choice``, ``tiny_text`` (a perplexity) and ``tiny_answer`` (generated), with their data."""
    folder.mkdir(parents=True, exist_ok=True)
    _task(
        folder,
        "tiny_choice",
        QUESTIONS,
        output_type="multiple_choice",
        doc_to_text="{{question}}",
        doc_to_choice="{{choices}}",
        doc_to_target="{{answer}}",
        target_delimiter="",
        metric_list=[
            {"metric": "acc", "aggregation": "mean", "higher_is_better": True},
            {"metric": "acc_norm", "aggregation": "mean", "higher_is_better": True},
        ],
    )
    perplexities = ["word_perplexity", "byte_perplexity", "bits_per_byte"]
    _task(
        folder,
        "tiny_text",
        [{"text": text} for text in TEXTS],
        output_type="loglikelihood_rolling",
        doc_to_text="",
        doc_to_target="{{text}}",
        metric_list=[{"metric": name, "higher_is_better": False} for name in perplexities],
    )
    _task(
        folder,
        "tiny_answer",
        [{"text": text} for text in TEXTS],
        output_type="generate_until",
        doc_to_text="{{text}}",
        doc_to_target="!",
        generation_kwargs={"until": ["\n"], "max_gen_toks": 6, "do_sample": False},
        metric_list=[{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    )
    return folder


def _task(folder: Path, name: str, rows: list[dict[str, object]], **fields: object) -> None:
    data = folder / f"{name}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = {"test": str(data)}
    config = {"task": name, "dataset_path": "json", "dataset_kwargs": {"data_files": files}, "test_split": "test"}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(config | fields | {"metadata": {"version": 1.0}}))
