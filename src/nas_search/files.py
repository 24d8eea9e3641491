"""Writing files and folders so that a reader sees the old content or the new one, never half of it.

What is being written has a hidden name beside its target, and is locked by its writer. A writer that was killed leaves
it behind without a lock, which is how :func:`sweep` knows.
"""

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_HEX_DIGITS = 12
_ASIDE = ".old"
_REMAINS = re.compile(rf"\.(?P<target>.+)\.[0-9a-f]{{{_HEX_DIGITS}}}(?P<old>{re.escape(_ASIDE)})?")


@contextmanager
def replacing_file(path: Path) -> Iterator[BinaryIO]:
    """A temporary file beside ``path`` to be written; flushed to disk and renamed over ``path`` in the end.

    Raises OSError when the folder cannot be written or the disk is full; ``path`` then keeps its content.
    """
    temporary = _temporary(path)
    try:
        with temporary.open("xb") as file:
            _lock(file.fileno())
            yield file
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` with :func:`replacing_file`."""
    with replacing_file(path) as file:
        file.write(data)


def write_text_atomic(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with :func:`write_atomic`."""
    write_atomic(path, text.encode())


@contextmanager
def replacing_folder(target: Path) -> Iterator[Path]:
    """An empty folder beside ``target`` that takes its place in the end, or is removed if anything was raised.

    What killed writers of ``target`` have left is removed. Raises OSError when the folder cannot be written or the disk
    is full; ``target`` then keeps its content.
    """
    sweep(target.parent, target.name)
    temporary = _temporary(target)
    temporary.mkdir()
    handle = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _lock(handle)
        yield temporary
        _put_in_place(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        os.close(handle)


def sweep(folder: Path, target: str | None = None) -> None:
    """Remove what killed writers have left in a folder, all of it or that of one target; what is in use stays.

    A folder that had stepped aside when its successor's writer was killed comes back.
    """
    for entry in _entries(folder):
        found = _REMAINS.fullmatch(entry.name)
        if found is None or target not in {None, found["target"]}:
            continue
        writer = entry.with_name(entry.name.removesuffix(_ASIDE))
        if all(_is_left(path) for path in {entry, writer} if path.exists()):
            _remove(entry, entry.with_name(found["target"]), stepped_aside=found["old"] is not None)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _is_left(path: Path) -> bool:
    """Whether nobody holds its lock; in doubt somebody does."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would wait
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _remove(path: Path, target: Path, *, stepped_aside: bool) -> None:
    with suppress(OSError):
        if stepped_aside and not target.exists():
            path.rename(target)
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(_HEX_DIGITS // 2)}")


def _lock(handle: int) -> None:
    """Until the handle is closed, or its process is dead; where a file system has no locks nothing is ever swept."""
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _put_in_place(temporary: Path, target: Path) -> None:
    """An older folder steps aside first, and comes back if the new one cannot be put there."""
    if not target.exists():
        temporary.rename(target)
        return
    old = temporary.with_name(f"{temporary.name}{_ASIDE}")
    target.rename(old)
    try:
        temporary.rename(target)
    except BaseException:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
