"""Cells in which files cannot be written: no room, a read-only place, an operating system that refuses."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import moments
from cell import Cell, Command, Fault, Kind, Moment, Sitting
from changes import make_room, mount
from kinds import FAKE, FAKE_RECORDING, REAL

FULL = "disk full"
_FULL = (
    moments.FIRST_TRIAL,
    moments.WRITING_RESULT,
    moments.BETWEEN_RUNGS,
    moments.AT_TELL,
    moments.CONFIRM_TRAINING,
    moments.INSIDE_WINNER,
    moments.OPENING_REPORT,
)


def cells() -> Iterator[Cell]:
    """All of them."""
    yield _full(moments.RECORDING, FAKE_RECORDING)
    yield from (_full(at, FAKE) for at in _FULL)
    yield _full(moments.MID_HIGHER_RUNG, REAL)
    for at in (moments.WRITING_RESULT, moments.AT_TELL, moments.INSIDE_WINNER):
        yield _no_space(at)
    yield _torn(moments.AT_TELL, 0)
    yield _torn(moments.AT_TELL, 20)
    yield _refused(errno.EIO, moments.AT_TELL)
    yield _refused(errno.EIO, moments.WRITING_RESULT)
    yield _refused(
        errno.EROFS, moments.CHECKPOINT._replace(process="worker", kind="open", subject=r"/\.trunk\.safetensors")
    )
    yield from _read_only()


def _full(at: Moment, kind: Kind) -> Cell:
    """A file system in memory is full from that moment on; then there is room again."""
    steps = (Sitting((Fault("fill disk", at),), 1, FULL), make_room())
    return Cell("disk full", at.name, kind, steps, needs=("disk",))


def _no_space(at: Moment) -> Cell:
    """The same without a file system of its own: opening a file fails with ENOSPC from that moment on."""
    return Cell("disk full, injected", at.name, FAKE, (Sitting((Fault("no space", at),), 1, FULL),))


def _torn(at: Moment, count: int) -> Cell:
    """The kernel cuts a write short after so many bytes: the limit on the size of files."""
    steps = (Sitting((Fault("tear", at, amount=count),), 1, "[Ff]ile too large"),)
    return Cell(f"write cut after {count} bytes", at.name, FAKE, steps)


def _refused(number: int, at: Moment) -> Cell:
    """The operating system refuses to open a file, once."""
    steps = (Sitting((Fault("raise OSError", at, amount=number),), 1, "."),)
    return Cell(f"{errno.errorcode[number]}", at.name, FAKE, steps)


def _read_only() -> Iterator[Cell]:
    """The run's file system takes no writing for a while."""
    name, needs = "read-only run directory", ("disk",)
    refused = Sitting(exit_code=1, says="[Rr]ead-only file system")
    killed = Sitting((Fault("kill", moments.AT_TELL),), -9)
    locked, free = mount(read_only=True), mount(read_only=False)
    new = Sitting(exit_code=2, says="cannot be a run directory: Read-only file system")
    yield Cell(name, "before the first trial", FAKE, (locked, new, free), needs=needs)
    yield Cell(name, "in the middle", FAKE, (killed, locked, refused, free), needs=needs)
    front = Command(("front", "{run}"))
    report = Command(("report", "{run}"), 1, "[Rr]ead-only file system")
    yield Cell(name, "after the end", FAKE, (Sitting(), locked, front, report, refused, free), needs=needs)
