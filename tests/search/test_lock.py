"""Who holds a run directory, and whether he is still there."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nas_search.errors import InputError
from nas_search.search import lock
from nas_search.search.lock import RunLock, is_locked
from nas_search.search.process_identity import ProcessIdentity


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.lock"


def holder(**fields: str | int) -> ProcessIdentity:
    return ProcessIdentity.own().model_copy(update=fields)


def no_flock(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a network file system that grants it to everybody."""
    monkeypatch.setattr("fcntl.flock", lambda handle, operation: None)


def test_the_second_one_hears_who_is_there(path: Path) -> None:
    with RunLock(path), pytest.raises(InputError, match=rf"is running there \(process {os.getpid()} on .*\); wait for"):
        RunLock(path).__enter__()
    assert not is_locked(path) and path.read_bytes() == b""


def test_a_file_that_says_nothing(path: Path) -> None:
    path.write_text("[" * 10_000)
    with RunLock(path):
        assert ProcessIdentity.parse(path.read_text()) == ProcessIdentity.own()


def test_a_process_that_was_killed_holds_nothing(path: Path) -> None:
    child = os.fork()
    if child == 0:
        RunLock(path).__enter__()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    left = ProcessIdentity.parse(path.read_text())
    assert left is not None and left.pid == child and left.is_gone
    with RunLock(path):
        pass


def test_without_flock_the_file_counts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_flock(monkeypatch)
    with RunLock(path), pytest.raises(InputError, match=r"is running there .*; if it is gone, try again in 60 s"):
        RunLock(path).__enter__()
    path.write_text(holder(started="before").text)
    with RunLock(path):
        pass


def test_a_lock_of_another_machine_gets_stale(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_flock(monkeypatch)
    path.write_text(holder(host="node7", machine="another", started="before").text)
    for _ in range(2):
        with pytest.raises(InputError, match=r"process \d+ on node7"):
            RunLock(path).__enter__()
    os.utime(path, (0, path.stat().st_mtime - lock.STALE_SECONDS))
    with RunLock(path):
        pass


def test_who_holds_it_touches_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "TOUCH_SECONDS", 0.01)
    with RunLock(path):
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert path.stat().st_mtime > 0


def test_processes_are_told_apart() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    there = subprocess.run(
        [sys.executable, "-c", "from nas_search.search.process_identity import *; print(ProcessIdentity.own().text)"],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    ended = ProcessIdentity.parse(there.stdout)
    assert ended is not None and ended.is_here and ended.is_gone
    assert not ProcessIdentity.own().is_gone
    assert holder(pid=child.pid).is_gone, "a number that is used again is another process"
    assert not holder(machine="another", started="before").is_gone
    child.kill()
    child.wait()


def test_a_process_that_is_hidden_may_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of another user, where /proc shows everybody only their own."""
    unknown = holder(pid=2**30)
    assert unknown.is_gone

    def refuse(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert not unknown.is_gone
    assert holder(pid=os.getpid(), started="before").is_gone, "what can be seen counts"
