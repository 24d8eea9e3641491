"""Atomic writing: whole or not at all, with ordinary permissions."""

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from nas_search.files import replacing_file, replacing_folder, sweep, write_atomic, write_text_atomic


def test_content_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text_atomic(path, "old")
    write_text_atomic(path, "né")
    assert path.read_bytes() == "né".encode()
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_failed_write_keeps_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    write_atomic(tmp_path / "file", b"")
    (tmp_path / "plain").touch()
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with replacing_folder(tmp_path / "folder") as folder:
            (folder / content).write_text(content)
    assert [entry.name for entry in (tmp_path / "folder").iterdir()] == ["new"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o755


def test_a_folder_that_fails_half_way_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").write_text("old")
    with pytest.raises(ValueError, match="half way"), replacing_folder(tmp_path / "folder") as folder:
        (folder / "new").write_text("new")
        raise ValueError("half way")
    assert [entry.name for entry in (tmp_path / "folder").iterdir()] == ["old"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def killed_while_writing(write: Callable[[], AbstractContextManager[object]]) -> None:
    """Another process begins to write, and is killed."""
    child = os.fork()
    if child == 0:
        with write():
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


def test_what_a_killed_writer_left_is_swept(tmp_path: Path) -> None:
    killed_while_writing(lambda: replacing_file(tmp_path / "file"))
    killed_while_writing(lambda: replacing_folder(tmp_path / "folder"))
    assert len(list(tmp_path.iterdir())) == 2
    for name in (".hidden", ".file.txt", ".file.0123456789ag"):
        (tmp_path / name).touch()
    with replacing_file(tmp_path / "other"), replacing_folder(tmp_path / "place"):
        sweep(tmp_path)
        assert len(list(tmp_path.iterdir())) == 5
    assert {entry.name for entry in tmp_path.iterdir()} == {
        ".hidden",
        ".file.txt",
        ".file.0123456789ag",
        "other",
        "place",
    }


def test_writing_a_folder_sweeps_what_was_left_of_it_and_nothing_else(tmp_path: Path) -> None:
    for name in ("out", "out.2"):
        killed_while_writing(lambda name=name: replacing_folder(tmp_path / name))
    with replacing_folder(tmp_path / "out") as folder:
        (folder / "new").touch()
    assert sorted(entry.name[:7] for entry in tmp_path.iterdir()) == [".out.2.", "out"]


def test_a_folder_that_had_stepped_aside_comes_back(tmp_path: Path) -> None:
    aside = tmp_path / ".out.0123456789ab.old"
    aside.mkdir()
    (aside / "old").touch()
    sweep(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "old").exists()


def test_a_folder_that_steps_aside_now_stays_there(tmp_path: Path) -> None:
    with replacing_folder(tmp_path / "out") as folder:
        aside = folder.with_name(f"{folder.name}.old")
        aside.mkdir()
        sweep(tmp_path)
        assert aside.exists()
        aside.rmdir()


def test_there_may_be_nothing_to_sweep(tmp_path: Path) -> None:
    sweep(tmp_path / "nowhere")
