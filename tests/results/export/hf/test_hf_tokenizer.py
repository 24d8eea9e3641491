"""What ``AutoTokenizer`` loads cuts and joins text as our tokenizers do."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from nas_search.proxies.tokenizer import ByteTokenizer, Tokenizer, train_tokenizer
from nas_search.results.export.base import ExportSource
from nas_search.results.export.hf.exporter import HuggingFaceExporter
from nas_search.space.architecture import Architecture

TEXT = "def naïve(x):\n    return 'x' * 3  # ünïcode, and more of the same\n" * 40
TOKENIZERS: dict[str, Tokenizer] = {"bytes": ByteTokenizer(), "bpe:320": train_tokenizer("bpe:320", TEXT)}


@pytest.fixture(scope="module", params=list(TOKENIZERS))
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenizer, Any]:
    ours = TOKENIZERS[request.param]
    folder = tmp_path_factory.mktemp("tokenizer")
    architecture = Architecture.parse(f"w32 vocab={ours.vocabulary} f")
    source = ExportSource(architecture, "a notation", tokenizer=ours, tokenizer_name=request.param)
    HuggingFaceExporter().write(source, folder)
    return ours, AutoTokenizer.from_pretrained(folder, trust_remote_code=True)


@given(text=st.text())
def test_encodes_as_ours(both: tuple[Tokenizer, Any], text: str) -> None:
    ours, theirs = both
    assert theirs(text).input_ids == ours.encode(text).tolist()


@given(data=st.data())
def test_decodes_as_ours(both: tuple[Tokenizer, Any], data: st.DataObject) -> None:
    ours, theirs = both
    tokens = data.draw(st.lists(st.integers(0, ours.vocabulary - 1)))
    assert theirs.decode(tokens) == ours.decode(tokens)


def test_whole_texts(both: tuple[Tokenizer, Any], tmp_path: Path) -> None:
    ours, theirs = both
    assert theirs(TEXT).input_ids == ours.encode(TEXT).tolist()
    assert theirs.decode(theirs(TEXT).input_ids) == TEXT
    assert len(theirs) == theirs.vocab_size == ours.vocabulary
    theirs.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path, trust_remote_code=True)
    assert again(TEXT).input_ids == ours.encode(TEXT).tolist()


def test_tokens_as_text(both: tuple[Tokenizer, Any]) -> None:
    """Nothing that looks like markup is special."""
    ours, theirs = both
    for text in ("<s>", "</s>", "<|endoftext|>", "<pad>", "[MASK]", " ' , ! n't", "\x00Ā\x80"):
        assert theirs(text).input_ids == ours.encode(text).tolist()
        assert theirs.decode(theirs(text).input_ids) == text
