import shutil
from pathlib import Path

import numpy as np
import pytest

from nas_search.errors import InputError, RunError
from nas_search.proxies import data
from nas_search.proxies.data import Corpus, load_corpus

LINES = [f"line {index} of a text that is long enough\n" for index in range(3000)]


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text("".join(LINES))
    return path


def test_bytes_of_a_file(text_file: Path, tmp_path: Path) -> None:
    corpus = load_corpus(str(text_file), cache_dir=tmp_path / "cache")
    assert corpus.name == "book.txt"
    assert corpus.train.dtype == np.uint8
    assert isinstance(corpus.train, np.memmap)
    assert (corpus.vocabulary, corpus.bytes_per_token) == (256, 1.0)
    assert bytes(corpus.train) + bytes(corpus.validation) == "".join(LINES).encode()
    assert 0.09 < len(corpus.validation) / len(corpus.train) < 0.13


def test_a_second_load_reads_no_text_again(text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_corpus(str(text_file), cache_dir=tmp_path / "cache")
    monkeypatch.setattr(data, "_materialise", None)
    again = load_corpus(str(text_file), cache_dir=tmp_path / "cache")
    assert (again.hash, again.path) == (first.hash, first.path)
    assert Corpus.open(first.path).hash == first.hash


def test_hash_is_that_of_the_text(text_file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere.txt"
    shutil.copy(text_file, copy)
    first = load_corpus(str(text_file), cache_dir=tmp_path / "one")
    assert load_corpus(str(copy), cache_dir=tmp_path / "two").hash == first.hash
    text_file.write_text("".join(LINES).replace("line 7 ", "line 8 "))
    assert load_corpus(str(text_file), cache_dir=tmp_path / "one").hash != first.hash


def test_hash_of_a_known_text_stays(text_file: Path, tmp_path: Path) -> None:
    assert load_corpus(str(text_file), cache_dir=tmp_path / "cache").hash == "c038e0f0d0034b36"


def test_bpe_counts_bytes_per_token(text_file: Path, tmp_path: Path) -> None:
    corpus = load_corpus(str(text_file), "bpe:320", tmp_path / "cache")
    text = corpus.tokenizer.decode(corpus.validation.tolist())
    assert "".join(LINES).endswith(text)
    assert corpus.bytes_per_token == pytest.approx(len(text) / len(corpus.validation))
    assert corpus.bytes_per_token > 1.5
    assert corpus.hash != load_corpus(str(text_file), cache_dir=tmp_path / "cache").hash


def test_a_damaged_cache_is_made_again(text_file: Path, tmp_path: Path) -> None:
    corpus = load_corpus(str(text_file), cache_dir=tmp_path / "cache")
    for damage in ("train.npy", "corpus.json"):
        path = corpus.path / damage
        path.write_bytes(path.read_bytes()[:-10])
        with pytest.raises(InputError, match="delete the folder"):
            Corpus.open(corpus.path)
        assert load_corpus(str(text_file), cache_dir=tmp_path / "cache").hash == corpus.hash
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [corpus.path.name]


def test_a_folder_that_is_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        Corpus.open(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "no text in it"), (b" \n\n", "no text in it"), (b"short\n" * 50, "too small, 270 tokens to train")],
)
def test_text_that_is_not_enough(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason):
        load_corpus(str(path), cache_dir=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_unknown_tokenizer_is_found_before_the_text_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="tokenizer 'words'"):
        load_corpus("/no/such/file", "words", tmp_path)


def test_a_cache_that_cannot_be_written(text_file: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(RunError, match="cannot write the corpus"):
        load_corpus(str(text_file), cache_dir=tmp_path / "cache")


def test_cache_folder_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert data.default_cache_dir() == Path("/somewhere/nas-search/corpora")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert data.default_cache_dir() == Path.home() / ".cache/nas-search/corpora"
