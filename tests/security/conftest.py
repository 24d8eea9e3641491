"""A small run as somebody else would hand it over, to be spoiled; and a limit of time for what must not hang."""

import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FUZZ = TESTS.parent / "experiments" / "fuzz"
CPU_SECONDS = 10.0
"""Far more than anything here takes, and far less than what rises with the square of its length."""
sys.path[:0] = [str(TESTS / folder) for folder in ("search", "results/dashboard")]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The run directory of a real search."""
    folder = tmp_path / "theirs"
    shutil.copytree(FUZZ / "seeds" / "run", folder)
    return folder


@pytest.fixture
def must_not_hang() -> Iterator[None]:
    """Fails a test that takes more CPU time than a hang deserves."""

    def fail(*_: object) -> None:
        pytest.fail(f"over {CPU_SECONDS:g} s of CPU time")

    before = signal.signal(signal.SIGPROF, fail)
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, before)
