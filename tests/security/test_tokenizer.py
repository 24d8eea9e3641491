"""Tokenizers of others: those that we write, and nothing that the library could be made to do besides."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas_search.errors import InputError
from nas_search.proxies.tokenizer import TOKENIZER_FILE, load_tokenizer, train_tokenizer

NAME = "bpe:300"


@pytest.fixture
def stored(tmp_path: Path) -> dict[str, Any]:
    train_tokenizer(NAME, "".join(f"{number} little ducks went out\n" for number in range(300))).save(tmp_path)
    document: dict[str, Any] = json.loads((tmp_path / TOKENIZER_FILE).read_text())
    return document


def test_ours_is_loaded(stored: dict[str, Any], tmp_path: Path) -> None:
    loaded = load_tokenizer(NAME, tmp_path)
    assert loaded.decode(loaded.encode("little ducks, é").tolist()) == "little ducks, é"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (
            lambda document: document.update(
                pre_tokenizer={"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}
            ),
            "with Split",
        ),
        (
            lambda document: document.update(
                normalizer={"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 999}
            ),
            "with normalizer",
        ),
        (lambda document: document.update(post_processor={"type": "ByteLevel"}), "with post_processor"),
        (lambda document: document.update(padding={"strategy": {"Fixed": 10**12}}), "with padding"),
        (lambda document: document["model"].update(type="WordLevel"), "a WordLevel"),
        (lambda document: document["model"].update(continuing_subword_prefix="x" * 10), "continuing_subword_prefix"),
        (lambda document: document["model"]["merges"].append(["e", "nothing like it"]), "which are not all tokens"),
        (lambda document: document["model"]["vocab"].update(zz=10**12), "not numbered from 0 on"),
        (lambda document: document["model"].update(merges=[["a"]]), "no readable tokenizer"),
        (lambda document: document["model"].update(merges=3), "no readable tokenizer"),
        (lambda document: document.update(model=None), "no readable tokenizer"),
    ],
)
def test_anything_else_is_refused(
    stored: dict[str, Any], tmp_path: Path, spoil: Callable[[dict[str, Any]], None], reason: str
) -> None:
    spoil(stored)
    (tmp_path / TOKENIZER_FILE).write_text(json.dumps(stored))
    with pytest.raises(InputError, match=f"no readable tokenizer.*{reason}" if "readable" not in reason else reason):
        load_tokenizer(NAME, tmp_path)


def test_a_panic_of_the_library_is_an_error_too(
    stored: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without our own look at the file; its exception is none that ``except Exception`` would catch."""
    monkeypatch.setattr("nas_search.proxies.tokenizer._check_kind", lambda document: None)
    stored["model"]["continuing_subword_prefix"] = "x" * 10
    (tmp_path / TOKENIZER_FILE).write_text(json.dumps(stored))
    with pytest.raises(InputError, match="no readable tokenizer"):
        load_tokenizer(NAME, tmp_path)
