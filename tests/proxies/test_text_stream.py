import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nas_search.errors import InputError
from nas_search.proxies import text_records, text_stream
from nas_search.proxies.text_files import NotTextError
from nas_search.proxies.text_split import chunks
from nas_search.proxies.text_stream import stream_texts

RECORDS = ["one", "", "zwei\nZeilen", "three"]
JSONL = "".join(json.dumps({"text": text}) + "\n" for text in RECORDS).encode()
PLAIN = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"))


def _texts(path: Path, field: str = "text") -> list[str]:
    return [text for text, _ in stream_texts(path, field)]


def _write_zst(path: Path, content: bytes) -> None:
    with pa.OSFile(str(path), "wb") as raw, pa.CompressedOutputStream(raw, "zstd") as file:
        file.write(content)


def _write_arrow(path: Path, table: pa.Table, new_writer: object = pa.ipc.new_stream) -> None:
    with pa.OSFile(str(path), "wb") as file, new_writer(file, table.schema) as writer:  # type: ignore[operator]
        writer.write_table(table, max_chunksize=2)


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.jsonl.gz", "a.jsonl.zst", "a.JSONL.GZ"])
def test_records_of_jsonl_compressed_or_not(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.lower().endswith("gz"):
        path.write_bytes(gzip.compress(JSONL[:20]) + gzip.compress(JSONL[20:]))
    elif name.endswith("zst"):
        _write_zst(path, JSONL)
    else:
        path.write_bytes(JSONL)
    assert _texts(path) == RECORDS


@pytest.mark.parametrize("writer", [pa.ipc.new_stream, pa.ipc.new_file])
def test_records_of_arrow_and_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: object) -> None:
    monkeypatch.setattr(text_records, "_ROWS", 2)
    table = pa.table({"id": [1, 2, 3, 4, 5], "body": [*RECORDS, None]})
    _write_arrow(tmp_path / "a.arrow", table, writer)
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    for name in ("a.arrow", "a.parquet"):
        streamed = list(stream_texts(tmp_path / name, "body"))
        assert [text for text, _ in streamed] == RECORDS
        shares = [read for _, read in streamed]
        assert shares == sorted(shares)
        assert 0 < shares[0] < shares[-1] <= 1
        with pytest.raises(InputError, match=rf"{name}: no column 'text'; it has id, body"):
            _texts(tmp_path / name)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=PLAIN, block=st.integers(1, 9))
def test_plain_text_does_not_depend_on_how_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, block: int
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode())
    monkeypatch.setattr("nas_search.proxies.text_split._CHUNK_CHARACTERS", 4)
    monkeypatch.setattr(text_stream, "_BLOCK_BYTES", block)
    assert _texts(path) == (chunks(text) or [""])


def test_long_plain_text_is_cut_at_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    lines = "".join(f"line {number} of a book\n" for number in range(100_000))
    path.write_text("\ufeff" + lines)
    streamed = list(stream_texts(path, "text"))
    assert "".join(text for text, _ in streamed) == lines
    assert all(text.endswith("\n") and len(text) <= 1 << 16 for text, _ in streamed)
    assert len(streamed) > 20
    assert streamed[-1].read == 1


@pytest.mark.parametrize(("content", "reason"), [(b"\xef\xbb\xbfabc\xe9def", "at byte 6"), (b"a\0b", "NUL")])
def test_what_is_no_text(tmp_path: Path, content: bytes, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    monkeypatch.setattr(text_stream, "_BLOCK_BYTES", 4)
    with pytest.raises(NotTextError, match=reason):
        _texts(path)


def test_text_that_ends_inside_a_character(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("grün".encode()[:3])
    with pytest.raises(NotTextError, match="at byte 2"):
        _texts(path)


def test_files_that_are_cut_short(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(JSONL * 9999)[:-30])
    _write_zst(tmp_path / "a.jsonl.zst", JSONL * 9999)
    _write_arrow(tmp_path / "a.arrow", pa.table({"text": RECORDS * 999}))
    pq.write_table(pa.table({"text": RECORDS * 999}), tmp_path / "a.parquet")
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(InputError, match=rf"{path}: (cannot be read|not a readable)"):
            _texts(path)


def test_text_that_is_not_utf8_in_a_column(tmp_path: Path) -> None:
    values = pa.array([b"fine", b"\xff"], pa.binary()).cast(pa.string(), safe=False)
    path = tmp_path / "a.arrow"
    _write_arrow(path, pa.table({"text": values}))
    with pytest.raises(InputError, match=r"a\.arrow, rows 0 to 1: column 'text' holds text that is not UTF-8"):
        _texts(path)


def test_a_bad_line_of_a_compressed_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(JSONL + b'{"body": 1, "id": 2}\n'))
    with pytest.raises(InputError, match=rf"{path}, line 5: no string field 'text' \(it has body, id\)"):
        _texts(path)


def test_a_missing_file(tmp_path: Path) -> None:
    for name in ("gone.txt", "gone.jsonl.zst", "gone.parquet", "gone.arrow"):
        with pytest.raises(InputError, match=rf"{name}: cannot be read"):
            _texts(tmp_path / name)
