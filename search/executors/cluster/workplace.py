"""What a worker needs of the machine that it is on: a folder for its jobs, and texts that are kept there."""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nas_search.errors import InputError
from nas_search.files import replacing_folder
from nas_search.proxies.data import Corpus, default_cache_dir
from nas_search.search.executors.base import WORKER_LOG
from nas_search.search.executors.cluster.shipping import Files, unpack
from nas_search.search.jobs import JOBS_FOLDER

_PREFIX = "nas-search-worker-"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
RECEIVED_FOLDER = "received"
# A folder is its worker's a moment after it is made.
_YOUNG_SECONDS = 60.0


def host_id() -> str:
    """The same for everything on one machine, containers included."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return platform.node()


class JobFolder:
    """A run directory for one worker, which is its own as long as it lives; those of dead ones are swept out."""

    def __init__(self) -> None:
        _sweep()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._handle = os.open(self.path, os.O_RDONLY)
        fcntl.flock(self._handle, fcntl.LOCK_EX)

    def empty(self) -> None:
        """Make room for the next job."""
        for entry in self.path.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name != WORKER_LOG:
                entry.unlink()
        (self.path / JOBS_FOLDER).mkdir()

    def remove(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._handle)


def find_corpus(path: str, corpus_hash: str) -> Path | None:
    """Where the corpus is on this machine: in the same place, on a shared disk say, or received before."""
    for folder in (Path(path), _received(corpus_hash)):
        try:
            if Corpus.open(folder).hash == corpus_hash:
                return folder
        except InputError:
            continue
    return None


@contextmanager
def receiving(corpus_hash: str) -> Iterator[Path]:
    """The folder for a corpus, for one worker of this machine at a time."""
    folder = _received(corpus_hash)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{corpus_hash}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def keep_corpus(folder: Path, files: Iterator[Files]) -> None:
    """Write a corpus into ``folder``, whole or not at all, as its files arrive."""
    with replacing_folder(folder) as temporary:
        for some in files:
            unpack(temporary, some)


def _received(corpus_hash: str) -> Path:
    return default_cache_dir() / RECEIVED_FOLDER / corpus_hash


def _sweep() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)  # others write there too
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - os.fstat(handle).st_mtime > _YOUNG_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue
        finally:
            os.close(handle)
