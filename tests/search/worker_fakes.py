"""Job functions for real worker processes."""

import errno
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas_search.errors import InputError


def act(arguments: Mapping[str, Any], run_dir: Path, progress: Any) -> dict[str, Any]:
    """Do what the argument ``do`` says, between two marks in a log that all workers share."""
    name = arguments["name"]
    _mark(run_dir, f"begin {name}")
    progress(1, 2)
    _DEEDS[arguments["do"]](run_dir, name)
    _mark(run_dir, f"end {name}")
    return {"pid": os.getpid(), "threads": os.environ["OMP_NUM_THREADS"]}


def _mark(run_dir: Path, text: str) -> None:
    with (run_dir / "marks").open("a") as file:
        file.write(text + "\n")


def _sleep(run_dir: Path, name: str) -> None:
    time.sleep(0.2)


def _sleep_long(run_dir: Path, name: str) -> None:
    (run_dir / f"{name}.pid").write_text(str(os.getpid()))
    time.sleep(600)


def _die(run_dir: Path, name: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_once(run_dir: Path, name: str) -> None:
    if not (run_dir / f"{name}.died").exists():
        (run_dir / f"{name}.died").touch()
        os._exit(3)


def _print(run_dir: Path, name: str) -> None:
    print("not an answer", flush=True)
    os.write(1, b"nor this\n")


def _refuse(run_dir: Path, name: str) -> None:
    raise InputError("the text is empty")


def _fill_disk(run_dir: Path, name: str) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def _divide(run_dir: Path, name: str) -> None:
    _ = 1 / 0


_DEEDS = {
    "sleep": _sleep,
    "sleep long": _sleep_long,
    "die": _die,
    "die once": _die_once,
    "print": _print,
    "refuse": _refuse,
    "fill disk": _fill_disk,
    "divide": _divide,
}


def quick_table(arguments: Mapping[str, Any], run_dir: Path, progress: Any) -> dict[str, Any]:
    """A real table of few samples: rough, but a table."""
    from nas_search.profiler.device import resolve_device
    from nas_search.profiler.plan import TablePlan
    from nas_search.profiler.record import record_table
    from nas_search.profiler.timing import StopRule
    from nas_search.profiler.workload import Workload
    from nas_search.space.search_space import SearchSpace

    plan = TablePlan.of_space(
        SearchSpace.model_validate(arguments["space"]),
        [Workload.parse(workload) for workload in arguments["workloads"]],
        seed=0,
        held_out=0,
        calibration=6,
        stop=StopRule(min_rounds=1, max_rounds=2),
    )
    record_table(plan, resolve_device("cpu"), out=run_dir / arguments["output"], progress=progress)
    return {}
