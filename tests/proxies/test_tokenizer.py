from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.errors import InputError
from nas_search.proxies.tokenizer import ByteTokenizer, Tokenizer, load_tokenizer, train_tokenizer

UNICODE = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
SAMPLE = "".join(f"the word number {index} stands in line {index % 7}\n" for index in range(4000))


@pytest.fixture(scope="module")
def bpe() -> Tokenizer:
    return train_tokenizer("bpe:400", SAMPLE)


@given(UNICODE)
def test_bytes_round_trip(text: str) -> None:
    tokenizer = ByteTokenizer()
    assert tokenizer.decode(tokenizer.encode(text).tolist()) == text


def test_a_cut_character_decodes_to_the_replacement_character() -> None:
    assert ByteTokenizer().decode(list("é".encode())[:1]) == "\ufffd"


@given(text=UNICODE)
def test_bpe_round_trip(bpe: Tokenizer, text: str) -> None:
    assert bpe.decode(bpe.encode(text).tolist()) == text


def test_bpe_is_shorter_than_bytes_and_fits_its_vocabulary(bpe: Tokenizer) -> None:
    tokens = bpe.encode(SAMPLE)
    assert tokens.dtype == np.uint16
    assert len(tokens) < len(SAMPLE) / 2
    assert tokens.max() < bpe.vocabulary <= 400
    assert bpe.decode(tokens.tolist()) == SAMPLE


def test_bpe_is_saved_and_trained_the_same_again(bpe: Tokenizer, tmp_path: Path) -> None:
    bpe.save(tmp_path)
    again, loaded = train_tokenizer("bpe:400", SAMPLE), load_tokenizer("bpe:400", tmp_path)
    for other in (again, loaded):
        assert np.array_equal(other.encode(SAMPLE), bpe.encode(SAMPLE))
        assert other.vocabulary == bpe.vocabulary


@pytest.mark.parametrize("name", ["words", "bpe", "bpe:", "bpe:-4", "bpe:256", "bpe:99999999", "bpe:4096 "])
def test_unknown_tokenizers(name: str) -> None:
    with pytest.raises(InputError, match="give 'bytes' or 'bpe:N' with N from 300"):
        train_tokenizer(name, SAMPLE)


def test_a_damaged_tokenizer_file(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match=r"tokenizer\.json: no readable tokenizer"):
        load_tokenizer("bpe:400", tmp_path)
