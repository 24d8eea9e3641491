"""The most memory that this process has in use at once, by the Linux kernel's own count of resident pages."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path

from nas_search.errors import InputError

PROCESS = Path("/proc/self")
# What to write to clear_refs to reset the high-water mark of resident memory (proc(5)).
RESET_PEAK = "5"
UNKNOWN = "peak memory cannot be read on this system: it takes a Linux kernel that can reset /proc/self/clear_refs"


def peak_bytes(run: Callable[[], object], process: Path = PROCESS) -> int:
    """How far the process grew beyond what it had before, at most, while ``run`` was called once.

    It is the whole process that is looked at: what other threads take or free meanwhile counts too.

    Raises InputError where the kernel does not tell.
    """
    gc.collect()
    _give_back_freed()
    try:
        (process / "clear_refs").write_text(RESET_PEAK)
    except OSError:
        raise InputError(UNKNOWN) from None
    before = _status_bytes(process, "VmRSS")
    run()
    return max(0, _status_bytes(process, "VmHWM") - before)


def _status_bytes(process: Path, field: str) -> int:
    """A field of the process's status, which the kernel gives in kB."""
    for line in (process / "status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return 1024 * int(value.split()[0])
    raise InputError(UNKNOWN)


def _give_back_freed() -> None:
    """Let the C library return the memory that it keeps for later: what ``run`` takes of that would not be seen."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
