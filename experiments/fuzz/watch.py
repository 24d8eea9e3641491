"""Reading one input after the other, with a limit of CPU time and of memory for each."""

from __future__ import annotations

import mmap
import resource
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from target import Case, input_rng

from nas_search.errors import InputError, RunError

CPU_SECONDS, MEMORY_MIB = 5.0, 1024
_ADDRESS_SPACE_MIB = 6 * 1024
"""Beyond what there is at the start: a bomb must not take the machine down with it."""
_SHOWN = 200
_NOT_OURS = ("site-packages", "experiments/fuzz")


class HangError(BaseException):
    """An input took more CPU time than it may; no ``except Exception`` of what reads it catches this."""


@dataclass(frozen=True)
class Finding:
    """An input that did something else than be read or refused: ``what`` at ``where``."""

    target: str
    index: int
    what: str
    where: str
    input: str

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


class Counter:
    """The index of the input that is being read, in a file of :func:`write_count`: others know it whatever happens."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8)

    def set(self, index: int) -> None:
        """About to read this one."""
        self._map[:8] = index.to_bytes(8, "little")


def write_count(path: Path, index: int) -> None:
    """Before the first input."""
    path.write_bytes(index.to_bytes(8, "little"))


def read_count(path: Path) -> int:
    """What a :class:`Counter` says."""
    return int.from_bytes(path.read_bytes(), "little")


def findings(name: str, case: Case, seed: int, indices: range, counter: Counter) -> Iterator[Finding | bool]:
    """For each input a finding, or whether it was accepted. Ends early after one that took too much memory."""
    _limit_address_space()
    peak = _peak_mib()
    for index in indices:
        data = case.draw(input_rng(seed, name, index))
        counter.set(index)
        found = outcome(case, data)
        grown, peak = _peak_mib() - peak, _peak_mib()
        if grown > MEMORY_MIB:
            found = (f"memory: {grown:,} MiB", "")
        yield found if isinstance(found, bool) else Finding(name, index, *found, shown(data))
        if grown > MEMORY_MIB:
            return


def outcome(case: Case, data: bytes) -> bool | tuple[str, str]:
    """Whether the input was accepted, or what went wrong and where."""
    try:
        with _cpu_limit():
            case.read(data)
    except (InputError, RunError):
        return False
    except HangError:
        return f"hang: over {CPU_SECONDS:g} s of CPU time", _place(sys.exc_info()[1])
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
            raise
        return f"{type(error).__name__}: {' '.join(str(error).split())[:_SHOWN]}", _place(error)
    return True


def shown(data: bytes) -> str:
    """The beginning of an input, for people."""
    return repr(data[:_SHOWN]) + (f"... {len(data):,} bytes" if len(data) > _SHOWN else "")


@contextmanager
def _cpu_limit() -> Iterator[None]:
    signal.signal(signal.SIGPROF, _too_long)
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _too_long(number: int, frame: FrameType | None) -> None:
    raise HangError


def _place(error: BaseException | None) -> str:
    """The last line of our own code, and the line that raised."""
    frames = traceback.extract_tb(error.__traceback__ if error else None)
    ours = [frame for frame in frames if not any(part in frame.filename for part in _NOT_OURS)]
    named = [f"{Path(frame.filename).name}:{frame.name}" for frame in (*ours[-1:], *frames[-1:])]
    return " < ".join(dict.fromkeys(reversed(named)))


def _peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _limit_address_space() -> None:
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    most = now + _ADDRESS_SPACE_MIB * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
