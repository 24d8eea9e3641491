"""One driver at a time in a run directory."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from threading import Event, Thread
from types import TracebackType
from typing import Self

from nas_search.errors import InputError
from nas_search.search.process_identity import ProcessIdentity

TOUCH_SECONDS, STALE_SECONDS = 10.0, 60.0
"""Who holds a lock touches its file so often; one that was not touched for so long was left by a dead process."""


class RunLock:
    """An exclusive ``flock`` on a file; the operating system drops it when the process dies, however it dies.

    The file says which process holds it. Where a network file system grants the ``flock`` to everybody, that process
    counts: unless it is known to be gone, or has not touched the file for a while, nobody else gets the lock.
    ``what`` it is that runs there, for the message to whoever comes second.
    """

    def __init__(self, path: Path, what: str = "search") -> None:
        self.path, self.what = path, what
        self._handle: int | None = None
        self._ended, self._thread = Event(), Thread(target=self._keep_fresh, daemon=True)

    def __enter__(self) -> Self:
        """Raises InputError if another process holds it."""
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except IsADirectoryError:
            raise InputError(f"{self.path}: a folder; a run directory has a file there") from None
        try:
            self._take(handle)
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self._ended.set()
            self._thread.join()
            os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None

    def _take(self, handle: int) -> None:
        holder = ProcessIdentity.parse(os.pread(handle, 4096, 0).decode(errors="replace"))
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(self._message(holder, "wait for it or choose another folder")) from None
        if holder is not None and not holder.is_gone and self._age_seconds(handle) < STALE_SECONDS:
            raise InputError(self._message(holder, f"if it is gone, try again in {STALE_SECONDS:.0f} s"))
        os.ftruncate(handle, 0)
        os.pwrite(handle, ProcessIdentity.own().text.encode(), 0)

    def _message(self, holder: ProcessIdentity | None, advice: str) -> str:
        who = f" ({holder})" if holder else ""
        return f"{self.path.parent}: another {self.what} is running there{who}; {advice}"

    def _age_seconds(self, handle: int) -> float:
        """Seconds since the file was touched, by the clock of the file system: those of machines may differ."""
        with TemporaryFile(dir=self.path.parent) as probe:
            return os.fstat(probe.fileno()).st_mtime - os.fstat(handle).st_mtime

    def _keep_fresh(self) -> None:
        while self._handle is not None and not self._ended.wait(TOUCH_SECONDS):
            with suppress(OSError):  # of a disk that is gone the search itself will tell
                os.utime(self._handle)


def is_locked(path: Path) -> bool:
    """Whether a :class:`RunLock` on the file is held, by this process or by another."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
