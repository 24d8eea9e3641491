import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nas_search.errors import InputError
from nas_search.proxies.text_files import NotTextError, read_texts

TEXTS = st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"])))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=TEXTS, ascii_only=st.booleans())
def test_jsonl_round_trip(tmp_path: Path, texts: list[str], ascii_only: bool) -> None:
    path = tmp_path / "texts.jsonl"
    lines = [json.dumps({"id": 1, "text": text}, ensure_ascii=ascii_only) for text in texts]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert read_texts(path) == texts


def test_jsonl_skips_blank_lines_and_takes_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_bytes(b'{"text": "a"}\r\n\r\n{"text": "b"}\r\n')
    assert read_texts(path) == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "cut', "not JSON"),
        (b'{"text": "\xff"}', "not UTF-8"),
        (b'["text"]', "no string field 'text'"),
        (b'{"body": "x"}', "no string field 'text'"),
        (b'{"text": 3}', "no string field 'text'"),
        (rb'{"text": "\ud800"}', "half a surrogate pair"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_bad_jsonl_line_is_named(tmp_path: Path, line: bytes, reason: str) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_bytes(b'{"text": "fine"}\n' + line + b'\n{"text": "fine"}\n')
    with pytest.raises(InputError) as error:
        read_texts(path)
    assert f"{path}, line 2: " in str(error.value)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_plain_text_loses_its_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffgrün\r\n".encode())
    assert read_texts(path) == ["grün\r\n"]


@pytest.mark.parametrize(("content", "reason"), [(b"abc\xe9def", "at byte 3"), (b"a\0b", "NUL")])
def test_a_file_that_is_no_text(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(NotTextError, match=reason):
        read_texts(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.txt: cannot be read: No such file"):
        read_texts(tmp_path / "gone.txt")


def _write_parquet(path: Path, columns: dict[str, list[object]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), path)


def test_parquet_texts_without_nulls(tmp_path: Path) -> None:
    path = tmp_path / "texts.parquet"
    _write_parquet(path, {"id": [1, 2, 3], "text": ["eins", None, "zwei"]})
    assert read_texts(path) == ["eins", "zwei"]


def test_parquet_without_the_column(tmp_path: Path) -> None:
    path = tmp_path / "texts.parquet"
    _write_parquet(path, {"body": ["eins"], "id": [1]})
    with pytest.raises(InputError, match="no column 'text'; it has body, id"):
        read_texts(path)


def test_parquet_with_numbers(tmp_path: Path) -> None:
    path = tmp_path / "texts.parquet"
    _write_parquet(path, {"text": [1, 2]})
    with pytest.raises(InputError, match="row 0: column 'text' holds int"):
        read_texts(path)


def test_parquet_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "texts.parquet"
    _write_parquet(path, {"text": ["eins"] * 1000})
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InputError, match="not a readable parquet file"):
        read_texts(path)
