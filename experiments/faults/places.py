"""What some cells need of the machine: a small file system, a control group with little memory, a database."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

DISK_MIB, MEMORY_MIB = 24, 256
TESTS = Path(__file__).parents[2] / "tests"
_GROUPS = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
_LIMITS = "memory.limit_in_bytes", "memory.max"


class UnavailableError(Exception):
    """The machine does not allow it."""


@contextmanager
def small_disk(folder: Path) -> Iterator[dict[str, str]]:
    """A file system in memory at ``disk`` in the cell's folder."""
    disk = folder / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "none", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        raise UnavailableError("mounting a file system in memory takes root")
    try:
        yield {}
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], capture_output=True, check=False)


@contextmanager
def memory_group(folder: Path) -> Iterator[dict[str, str]]:
    """A control group that the kernel kills in when it is out of memory."""
    for base, limit in zip(_GROUPS, _LIMITS, strict=True):
        group = base / f"nas-search-faults-{folder.name}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limit).write_text(str(MEMORY_MIB << 20))
            yield {"NAS_SEARCH_MEMORY_GROUP": str(group)}
            return
        except OSError:
            continue
        finally:
            with suppress(OSError):  # a process of it may not be quite dead
                group.rmdir()
    raise UnavailableError("a control group of memory takes root")


@contextmanager
def sqlite(folder: Path) -> Iterator[dict[str, str]]:
    """A database file, on the small file system if there is one."""
    disk = folder / "disk"
    yield {"NAS_SEARCH_STORAGE": f"sqlite:///{disk if disk.exists() else folder}/studies.db"}


@contextmanager
def postgresql(folder: Path) -> Iterator[dict[str, str]]:
    """A database on a server of its own."""
    if str(TESTS) not in sys.path:
        sys.path.append(str(TESTS))
    from postgres import PASSWORD, private_server, server_binaries

    binaries = server_binaries()
    if binaries is None or find_spec("psycopg") is None:
        raise UnavailableError("PostgreSQL or psycopg is not installed")
    os.environ["PGPASSWORD"] = PASSWORD  # for whoever reads the run here
    with private_server(binaries) as server:
        place = f"{server.binaries}|{server.folder}|{server.port}"
        yield {"NAS_SEARCH_STORAGE": server.create("studies"), "NAS_SEARCH_SERVER": place}


PLACES: dict[str, Callable[[Path], AbstractContextManager[dict[str, str]]]] = {
    "disk": small_disk,
    "memory group": memory_group,
    "sqlite": sqlite,
    "postgresql": postgresql,
}
