"""What a fault does to the process that it happens in, or to the one that started it."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from injection import Injection

Fault = Mapping[str, Any]

BALLAST, FULL = "ballast", "full"
_CHUNK = bytes(1 << 16)


def refuse_if_full(injection: Injection, moment: str) -> None:
    """Raise what a full disk does, once :func:`_no_space` has said that it is."""
    if moment in {"open", "mkdir"} and (injection.state / FULL).exists():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _kill(injection: Injection, fault: Fault, subject: str) -> None:
    """Kill this process, a worker say, as the kernel does when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)


def _signal_driver(injection: Injection, fault: Fault, subject: str) -> None:
    """Send the driver a signal."""
    driver = os.getpid() if injection.role == "driver" else os.getppid()
    os.kill(driver, int(fault["amount"]))


def _hang(injection: Injection, fault: Fault, subject: str) -> None:
    """No progress any more, and deaf to everything but a kill, like a process in a hung kernel."""
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP})
    time.sleep(3600)


def _pause(injection: Injection, fault: Fault, subject: str) -> None:
    """Stand still until somebody makes a file."""
    injection.note("paused", subject)
    while not (injection.state / "go").exists():
        time.sleep(0.02)


def _raise_os_error(injection: Injection, fault: Fault, subject: str) -> None:
    """What is about to be asked of the operating system fails."""
    number = int(fault["amount"])
    raise OSError(number, os.strerror(number), str(injection.run / subject))


def _raise_runtime_error(injection: Injection, fault: Fault, subject: str) -> None:
    raise RuntimeError("made to fail")


def _no_space(injection: Injection, fault: Fault, subject: str) -> None:
    """From now on nothing more can be written in the run directory, by any process."""
    (injection.state / FULL).touch()
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _fill_disk(injection: Injection, fault: Fault, subject: str) -> None:
    """Fill the file system that the run is on: from now on the kernel says so."""
    handle = os.open(injection.run.parent / BALLAST, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for size in (len(_CHUNK), 1):
        try:
            while True:
                os.write(handle, _CHUNK[:size])
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
    os.close(handle)


def _tear(injection: Injection, fault: Fault, subject: str) -> None:
    """The file that is about to be written takes only so many more bytes: the kernel cuts the write short."""
    file = injection.run / subject
    size = file.stat().st_size if file.exists() else 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + int(fault["amount"]), resource.RLIM_INFINITY))


def _ask_for_memory(injection: Injection, fault: Fault, subject: str) -> None:
    """Ask for more memory than the process may have."""
    with _little_memory(int(fault["amount"])):
        bytearray(2 * int(fault["amount"]))


def _ask_torch_for_memory(injection: Injection, fault: Fault, subject: str) -> None:
    """The same as training does it."""
    import torch

    with _little_memory(int(fault["amount"])):
        torch.empty(2 * int(fault["amount"]), dtype=torch.uint8)


@contextmanager
def _little_memory(count: int) -> Iterator[None]:
    """The process may have so many bytes more than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + count, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def _out_of_memory(injection: Injection, fault: Fault, subject: str) -> None:
    """Fill a control group of little memory until the kernel kills the process."""
    group = Path(os.environ["NAS_SEARCH_MEMORY_GROUP"])
    (group / "cgroup.procs").write_text(str(os.getpid()))
    kept = []
    while True:
        kept.append(bytearray(os.urandom(1 << 20)))


def _server_away(injection: Injection, fault: Fault, subject: str) -> None:
    """The database server is stopped, and started again a little later."""
    _occupy(injection, "server", fault)


def _lock_database(injection: Injection, fault: Fault, subject: str) -> None:
    """Somebody else writes to the database file, for a long time."""
    _occupy(injection, "file", fault)


def _occupy(injection: Injection, kind: str, fault: Fault) -> None:
    mark = injection.state / "away"
    environment = {key: value for key, value in os.environ.items() if key != "NAS_SEARCH_FAULTS"}
    program = str(Path(__file__).with_name("occupy.py"))
    subprocess.Popen(
        [sys.executable, program, kind, str(fault["amount"]), str(mark)], env=environment, start_new_session=True
    )
    while not mark.exists():
        time.sleep(0.02)


DEEDS: dict[str, Callable[[Any, Fault, str], None]] = {
    "kill": _kill,
    "signal driver": _signal_driver,
    "hang": _hang,
    "pause": _pause,
    "raise OSError": _raise_os_error,
    "raise RuntimeError": _raise_runtime_error,
    "no space": _no_space,
    "fill disk": _fill_disk,
    "tear": _tear,
    "ask for memory": _ask_for_memory,
    "ask torch for memory": _ask_torch_for_memory,
    "out of memory": _out_of_memory,
    "server away": _server_away,
    "lock database": _lock_database,
}
