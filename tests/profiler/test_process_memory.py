import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nas_search.errors import InputError
from nas_search.profiler.process_memory import peak_bytes

MIB = 2**20
# Blocks so small that the C library keeps them when they are freed; prints what taking them a second time adds.
SMALL_BLOCKS_AGAIN = """
import torch
from nas_search.profiler.process_memory import peak_bytes

def blocks():
    return [torch.ones(16_384, dtype=torch.uint8) for _ in range(4000)]

blocks()
print(peak_bytes(blocks))
"""
ON_LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's /proc")


@ON_LINUX
def test_the_most_at_once_is_counted_not_what_is_left() -> None:
    def run() -> None:
        for _ in range(3):
            torch.ones(200 * MIB, dtype=torch.uint8)

    assert peak_bytes(run) == pytest.approx(200 * MIB, rel=0.1)


@ON_LINUX
def test_what_was_there_before_does_not_count() -> None:
    kept = torch.ones(300 * MIB, dtype=torch.uint8)
    assert peak_bytes(lambda: torch.ones(64 * MIB, dtype=torch.uint8)) == pytest.approx(64 * MIB, rel=0.1)
    assert len(kept) == 300 * MIB


@ON_LINUX
def test_memory_that_was_freed_is_not_taken_for_free() -> None:
    """A process of its own: what threads of other tests free meanwhile would be taken from so small a peak."""
    command = [sys.executable, "-c", SMALL_BLOCKS_AGAIN]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    assert int(printed) > 50 * MIB


@ON_LINUX
def test_an_error_of_the_run_is_its_own() -> None:
    def broken() -> None:
        raise KeyError("VmHWM")

    with pytest.raises(KeyError):
        peak_bytes(broken)


@pytest.mark.parametrize("status", [None, "Name:\tpython\n"])
def test_a_system_that_does_not_tell_is_refused_in_one_line(tmp_path: Path, status: str | None) -> None:
    if status is not None:
        (tmp_path / "clear_refs").touch()
        (tmp_path / "status").write_text(status)
    with pytest.raises(InputError, match="peak memory cannot be read on this system") as refused:
        peak_bytes(lambda: None, tmp_path / "nowhere" if status is None else tmp_path)
    assert "\n" not in str(refused.value)
