"""What somebody does to a run between two sittings: files that are cut, flipped, removed or left over."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from cell import Change

BUSY_SECONDS = 20.0


def cut_in_half(pattern: str, loses: str = "") -> Change:
    """A file lost its second half."""
    return Change(lambda file: os.truncate(file, file.stat().st_size // 2), pattern, loses)


def cut_last(pattern: str, count: int) -> Change:
    """A file lost its last bytes."""
    return Change(lambda file: os.truncate(file, file.stat().st_size - count), pattern)


def empty(pattern: str, loses: str = "") -> Change:
    """A file lost everything, as power cuts do."""
    return Change(lambda file: os.truncate(file, 0), pattern, loses)


def flip(pattern: str, share: float, loses: str = "") -> Change:
    """One bit of a file is another, so far into it."""

    def act(file: Path) -> None:
        content = bytearray(file.read_bytes())
        content[int(share * len(content))] ^= 1
        file.write_bytes(content)

    return Change(act, pattern, loses)


def flip_after(pattern: str, text: bytes, loses: str = "") -> Change:
    """The same where a figure begins, after ``text``: 2 becomes 3."""

    def act(file: Path) -> None:
        content = bytearray(file.read_bytes())
        content[content.index(text) + len(text)] ^= 1
        file.write_bytes(content)

    return Change(act, pattern, loses)


def append(pattern: str, data: bytes) -> Change:
    """Something more stands at the end of a file."""

    def act(file: Path) -> None:
        with file.open("ab") as handle:
            handle.write(data)

    return Change(act, pattern)


def remove(pattern: str, loses: str = "") -> Change:
    """A file goes."""
    return Change(lambda file: file.unlink(), pattern, loses)


def link(name: str, to: str) -> Change:
    """A link, such as a lock of a process that is no more; it may have left one itself."""

    def act(run: Path) -> None:
        if not (run / name).is_symlink():
            (run / name).symlink_to(to)

    return Change(act)


def mount(*, read_only: bool) -> Change:
    """The file system of the run takes no more writing, or takes it again.

    It is busy as long as a worker whose driver was killed has its log open.
    """
    how = "remount,ro" if read_only else "remount,rw"

    def act(run: Path) -> None:
        patience = time.monotonic() + BUSY_SECONDS
        command = ["mount", "-o", how, str(run.parent)]
        while subprocess.run(command, capture_output=True, check=False).returncode:
            if time.monotonic() > patience:
                raise TimeoutError(f"{' '.join(command)}: still busy after {BUSY_SECONDS:.0f} s")
            time.sleep(0.1)

    return Change(act)


def make_room() -> Change:
    """What filled the disk is gone."""
    return Change(lambda run: (run.parent / "ballast").unlink())
