"""One driver at a time in a run directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from nas_search.errors import InputError


class RunLock:
    """An exclusive ``flock`` on a file; the operating system drops it when the process dies, however it dies.

    ``what`` it is that runs there, for the message to whoever comes second.
    """

    def __init__(self, path: Path, what: str = "search") -> None:
        self.path, self.what = path, what
        self._handle: int | None = None

    def __enter__(self) -> Self:
        """Raises InputError if another process holds it."""
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except IsADirectoryError:
            raise InputError(f"{self.path}: a folder; a run directory has a file there") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            where = self.path.parent
            raise InputError(
                f"{where}: another {self.what} is running there; wait for it or choose another folder"
            ) from None
        self._handle = handle
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


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
