"""Reads a block of inputs in a process of its own, and tells of it in lines of JSON on stdout.

Started by ``fuzz.py``: ``child.py TARGET SEED FIRST END COUNTER``.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from targets import TARGETS
from watch import Counter, Finding, findings


def main(name: str, seed: int, first: int, end: int, counter: Path) -> None:
    """Whatever the readers print goes nowhere."""
    out = os.fdopen(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    warnings.simplefilter("ignore")
    logging.disable()
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_memory_folder()) as folder, _telling(out):
        case = TARGETS[name].make(Path(folder))
        began, read, accepted = time.process_time(), 0, 0
        for found in findings(name, case, seed, range(first, end), Counter(counter)):
            read += 1
            if isinstance(found, Finding):
                print(json.dumps(found.document()), file=out, flush=True)
            else:
                accepted += found
        seconds = time.process_time() - began
        print(json.dumps({"read": read, "accepted": accepted, "cpu_seconds": round(seconds, 2)}), file=out, flush=True)


@contextmanager
def _telling(out: TextIO) -> Iterator[None]:
    """What goes wrong beside the reading is no finding: the target itself is broken."""
    try:
        yield
    except Exception:
        print(json.dumps({"broken": traceback.format_exc()}), file=out, flush=True)
        raise


def _memory_folder() -> str | None:
    """A file system in memory where there is one: inputs are files."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
