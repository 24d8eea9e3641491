"""Optuna's journal as a file: how it is written, and the repair that it needs after a crash.

The journal is not crash-safe by itself: a torn last line followed by an append is unreadable for good, and a dead
process's lock stalls everybody for 30 s. Both are mended on opening, under the run's own lock.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend, JournalFileSymlinkLock

from nas_search.errors import InputError
from nas_search.search.journal_line import sealed, unsealed
from nas_search.search.slim import decode

SET_STATE = 6
"""Optuna's code of the operation that ends a trial (``JournalOperation.SET_TRIAL_STATE_VALUES``)."""
_PARAMETER = b'{"op_code":5,'
"""How a line that sets a trial's parameter begins (``JournalOperation.SET_TRIAL_PARAM``)."""


_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, AssertionError, ArithmeticError, RecursionError)
"""What Optuna raises for lines that are not its own."""


class JournalFile(JournalFileBackend):
    """Flushes to disk when a trial ends, not at every line.

    A proposal takes some twenty lines. A killed process loses none of them, and what a power cut takes is found
    again, since a trial follows from its proposal index and results are flushed by the workers.
    """

    def __init__(self, path: Path) -> None:
        self._lock_file = JournalFileSymlinkLock(str(path))
        self._path = path
        self._end = (0, 0)
        super().__init__(str(path), lock_obj=self._lock_file)

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """The lines from a number on. Raises ValueError for a damaged one, unless it is the last, which is left out.

        Only where reading ended is remembered, and not where each line begins: it always goes on from there.
        """
        start, offset = self._end if self._end[0] <= log_number_from else (0, 0)
        damaged: ValueError | None = None
        with self._path.open("rb") as file:
            file.seek(offset)
            for number, line in enumerate(file, start=start):
                if damaged is not None:
                    raise damaged
                if not line.endswith(b"\n"):
                    return
                offset += len(line)
                if number < log_number_from:
                    continue
                try:
                    log = decode(unsealed(line))
                except ValueError as error:
                    damaged = error
                    continue
                self._end = (number + 1, offset)
                yield log

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append lines, as Optuna's own backend does."""
        lines = b"".join(map(sealed, logs))
        self._lock_file.acquire()
        try:
            with self._path.open("ab") as file:
                file.write(lines)
                file.flush()
                if any(log["op_code"] == SET_STATE for log in logs):
                    os.fsync(file.fileno())
        finally:
            self._lock_file.release()


class JournalSnapshot(BaseJournalBackend):
    """A journal as it is now, to be read: without parameters, which repeat what candidates say.

    They are three quarters of the lines, and take nine tenths of the time that Optuna needs for all of them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """All lines when asked for the first time, then none. A torn last line is left out, as Optuna does."""
        lines = [] if log_number_from else self._path.read_bytes().split(b"\n")[:-1]
        for number, line in enumerate(lines, start=1):
            if line.startswith(_PARAMETER):
                continue
            try:
                yield json.loads(unsealed(line))
            except ValueError:
                if number < len(lines):
                    raise

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Nothing is ever written. Raises RuntimeError."""
        raise RuntimeError("a snapshot of a journal is only for reading")


def open_storage(path: Path) -> JournalStorage:
    """The journal's storage. Raises InputError if a line other than a torn last one is damaged."""
    return _storage(JournalFile(path), path)


def snapshot_storage(path: Path) -> JournalStorage:
    """The journal as it is now, trials without parameters. Raises InputError as :func:`open_storage` does."""
    return _storage(JournalSnapshot(path), path)


def _storage(backend: BaseJournalBackend, path: Path) -> JournalStorage:
    try:
        return JournalStorage(backend)
    except _UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path}: damaged, not a readable study ({reason}); without this file the same search tells its trials "
            f"again, from the results that are there"
        ) from None


def writable_storage(path: Path) -> JournalStorage:
    """The storage of a journal that is repaired first. Raises InputError as :func:`open_storage` does.

    The caller must hold the run's lock.
    """
    repair(path)
    return open_storage(path)


def repair(path: Path) -> None:
    """Cut off a torn last line and remove a dead process's lock. The caller must hold the run's lock."""
    for lock in path.parent.glob(f"{path.name}.lock*"):
        lock.unlink()
    if path.exists():
        keep = _intact_length(path)
        if keep < path.stat().st_size:
            with path.open("r+b") as file:
                file.truncate(keep)


def _intact_length(path: Path) -> int:
    """Bytes up to the end of the last line, or of the one before if the last is not whole or not JSON."""
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    if end < len(data) or not data:
        return end
    start = data.rfind(b"\n", 0, end - 1) + 1
    return end if _is_json(data[start:end]) else start


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(unsealed(line)), dict)
    except ValueError:
        return False
