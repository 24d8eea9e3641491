"""Texts of others that grow when they are read."""

import gzip
from pathlib import Path

import pytest

from nas_search.errors import InputError
from nas_search.proxies import text_records
from nas_search.proxies.text_stream import stream_texts


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_a_line_that_fills_the_memory(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_records, "LONGEST_LINE", 1000)
    data = b'{"text": "fits"}\n{"text": "' + b"x" * 100_000 + b'"}\n'
    path = tmp_path / f"theirs{suffix}"
    path.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    texts = stream_texts(path, "text")
    assert next(texts).text == "fits"
    with pytest.raises(InputError, match="line 2: over 1,000 bytes"):
        next(texts)


def test_a_line_as_long_as_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = b'{"text": "fits"}\n'
    monkeypatch.setattr(text_records, "LONGEST_LINE", len(line))
    (tmp_path / "theirs.jsonl").write_bytes(line * 3)
    assert [text.text for text in stream_texts(tmp_path / "theirs.jsonl", "text")] == ["fits"] * 3


def test_plain_text_without_a_line_end_is_cut(tmp_path: Path) -> None:
    (tmp_path / "theirs.txt").write_bytes(b"x" * 5_000_000)
    pieces = [text.text for text in stream_texts(tmp_path / "theirs.txt", "text")]
    assert sum(map(len, pieces)) == 5_000_000 and max(map(len, pieces)) < 1_000_000
