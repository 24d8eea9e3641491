"""Which process this is, so that another one can tell whether it is still there."""

from __future__ import annotations

import json
import os
import socket
import uuid
from functools import cache
from pathlib import Path
from typing import Self

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

_BOOT, _NAMESPACE = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")


class ProcessIdentity(BaseModel):
    """A process: its host's name for people, and what tells it apart from every other one.

    ``machine`` is where process numbers mean the same (a boot of a machine, or of a container with numbers of its own),
    ``started`` when the process began, in whatever unit the system counts. Numbers are used again, so both are needed.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    host: str
    machine: str
    pid: int
    started: str

    @classmethod
    def own(cls) -> Self:
        """That of this process."""
        pid = os.getpid()
        return cls(host=socket.gethostname(), machine=_machine(), pid=pid, started=_started(pid) or "")

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """What :meth:`text` wrote; None for anything else."""
        try:
            return cls.model_validate(json.loads(text))
        except (ValueError, RecursionError, ValidationError):
            return None

    @property
    def text(self) -> str:
        """As one line."""
        return self.model_dump_json() + "\n"

    @property
    def is_here(self) -> bool:
        """Whether it runs, or ran, where this process could see it."""
        return self.machine == _machine()

    @property
    def is_gone(self) -> bool:
        """Whether it is certain that it ended: only of a process that was here, and is not hidden from us."""
        return self.is_here and _started(self.pid) != self.started and not _is_hidden(self.pid)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@cache
def _machine() -> str:
    try:
        return f"{_BOOT.read_text().strip()} {_NAMESPACE.readlink()}"
    except OSError:  # no Linux
        return f"{uuid.getnode():x} {psutil.boot_time():.0f}"


def _started(pid: int) -> str | None:
    """When a process began; None if there is none, or only what is left of one until its parent asks."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _started_elsewhere(pid)
    return None if fields[0] in {"Z", "X"} else fields[19]


def _is_hidden(pid: int) -> bool:
    """Whether it is another user's that cannot be looked at: /proc may be mounted so (hidepid)."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return _started(pid) is None
    except (OSError, OverflowError):
        return False
    return False


def _started_elsewhere(pid: int) -> str | None:
    if _BOOT.exists():
        return None
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except psutil.Error:
        return None
