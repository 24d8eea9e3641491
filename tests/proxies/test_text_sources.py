import os
from pathlib import Path

import pytest

from nas_search.errors import InputError
from nas_search.proxies.text_sources import EmbeddedText, open_source, source_digest


def _write(root: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def test_embedded_text_leaves_out_tests_and_packages(tmp_path: Path) -> None:
    unwanted = [
        "test/test_a.py",
        "json/tests/b.py",
        "idlelib/idle_test/c.py",
        "site-packages/d.py",
        "__pycache__/e.py",
        "_sysconfigdata__linux.py",
        "data.txt",
    ]
    _write(tmp_path, dict.fromkeys([*unwanted, "zlib.py", "json/decoder.py", "abc.py"], b"x"))
    names = [name for name, _ in EmbeddedText(tmp_path).files()]
    assert names == ["abc.py", "json/decoder.py", "zlib.py"]


def test_embedded_text_of_this_python_is_megabytes_and_split() -> None:
    split = open_source("embedded").read()
    assert len(split.train) > 4_000_000
    assert 0.03 < len(split.validation) / len(split.train) < 0.3
    assert "import " in split.validation


def test_a_python_without_sources(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no Python sources"):
        EmbeddedText(tmp_path).files()


def test_folder_reads_text_of_any_suffix_and_skips_the_rest(tmp_path: Path) -> None:
    _write(
        tmp_path,
        {
            "a.txt": b"plain",
            "sub/b.md": b"markdown",
            "sub/c.jsonl": b'{"text": "record one"}\n{"text": "record two"}',
            "binary.png": b"\x89PNG\0\xff",
            ".git/config": b"hidden folder",
            ".hidden.txt": b"hidden file",
        },
    )
    split = open_source(str(tmp_path)).read()
    lines = (split.train + split.validation).splitlines()
    assert sorted(lines) == ["markdown", "plain", "record one", "record two"]


def test_a_broken_record_file_in_a_folder_is_an_error(tmp_path: Path) -> None:
    _write(tmp_path, {"a.txt": b"plain", "b.jsonl": b"{"})
    with pytest.raises(InputError, match=r"b\.jsonl, line 1"):
        open_source(str(tmp_path)).read()


def test_a_folder_without_text(tmp_path: Path) -> None:
    _write(tmp_path, {"a.bin": b"\xff\xfe\0"})
    with pytest.raises(InputError, match="no text file in this folder"):
        open_source(str(tmp_path)).read()


def test_a_missing_source() -> None:
    with pytest.raises(InputError, match=r"data '/no/such/file': no such file or folder"):
        open_source("/no/such/file")


def test_digest_depends_on_names_and_contents_only(tmp_path: Path) -> None:
    files = {"a.txt": b"one", "b/c.txt": b"two"}
    for folder in ("first", "second", "renamed", "changed"):
        _write(tmp_path / folder, files)
    (tmp_path / "renamed/a.txt").rename(tmp_path / "renamed/z.txt")
    (tmp_path / "changed/a.txt").write_bytes(b"One")
    os.utime(tmp_path / "second/a.txt", (0, 0))
    digests = {folder.name: source_digest(open_source(str(folder))) for folder in tmp_path.iterdir()}
    assert digests["first"] == digests["second"]
    assert len(set(digests.values())) == 3
