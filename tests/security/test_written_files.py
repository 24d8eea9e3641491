"""Files that are written where others can write too."""

import os
import threading
from pathlib import Path

import pytest

from nas_search.files import replacing_folder, sweep, write_atomic


@pytest.fixture
def private_umask() -> object:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("private_umask")
def test_who_may_read_is_the_users_choice(tmp_path: Path) -> None:
    write_atomic(tmp_path / "file", b"x")
    with replacing_folder(tmp_path / "folder") as folder:
        write_atomic(folder / "inside", b"x")
    for name in ("file", "folder", "folder/inside"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0, name


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / "link").symlink_to("mine")
    write_atomic(tmp_path / "link", b"theirs")
    assert (tmp_path / "mine").read_bytes() == b"mine"
    assert (tmp_path / "link").read_bytes() == b"theirs" and not (tmp_path / "link").is_symlink()


def test_a_temporary_name_that_is_taken_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas_search.files.secrets.token_hex", lambda size: "0" * 2 * size)
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / f".file.{'0' * 12}").symlink_to("mine")
    with pytest.raises(FileExistsError):
        write_atomic(tmp_path / "file", b"theirs")
    assert (tmp_path / "mine").read_bytes() == b"mine"


def test_a_pipe_in_a_folder_of_others_stops_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f".study.{'0' * 12}")
    swept = threading.Thread(target=sweep, args=(tmp_path,), daemon=True)
    swept.start()
    swept.join(10)
    assert not swept.is_alive()


def test_sweeping_leaves_what_links_lead_to(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_bytes(b"mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / f".study.{'0' * 12}").symlink_to(tmp_path / "mine")
    sweep(tmp_path / "run")
    assert (tmp_path / "mine" / "file").read_bytes() == b"mine"
