"""Job functions for real workers, also for those on other machines: this file travels alone.

All of them leave marks in the folder of the argument ``marks``, which is the same for whoever works.
"""

import errno
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas_search.errors import InputError

Arguments = Mapping[str, Any]


def act(arguments: Arguments, run_dir: Path, progress: Any) -> dict[str, Any]:
    """Do what the argument ``do`` says, between two marks."""
    folder, name = Path(arguments["marks"]), arguments["name"]
    _mark(folder, f"begin {name}")
    progress(1, 2)
    _DEEDS[arguments["do"]](folder, name, run_dir, progress)
    _mark(folder, f"end {name}")
    names = {"threads": "OMP_NUM_THREADS", "gpus": "CUDA_VISIBLE_DEVICES"}
    return {"pid": os.getpid(), **{key: os.environ.get(name) for key, name in names.items()}}


def read_on(arguments: Arguments, run_dir: Path, progress: Any) -> dict[str, Any]:
    """Go on from a checkpoint, as training does: one more letter in it, and a copy of the text beside it."""
    checkpoints = run_dir / arguments["checkpoints"]
    checkpoints.mkdir(parents=True, exist_ok=True)
    state = checkpoints / "state"
    state.write_text((state.read_text() if state.exists() else "") + arguments["letter"])
    (run_dir / arguments["weights"]).write_bytes(bytes(range(256)) * 1000)
    corpus = Path(arguments["corpus"])
    return {"state": state.read_text(), "tokens": (corpus / "train.npy").stat().st_size, "from": str(corpus)}


def _mark(folder: Path, text: str) -> None:
    with (folder / "marks").open("a") as file:
        file.write(text + "\n")


def _sleep(folder: Path, name: str, run_dir: Path, progress: Any) -> None:
    time.sleep(0.1)


def _meet(folder: Path, name: str, run_dir: Path, progress: Any) -> None:
    """Wait for the other: two such jobs have to run at the same time."""
    while (folder / "marks").read_text().count("begin meet") < 2:
        time.sleep(0.02)


def _sleep_long(folder: Path, name: str, run_dir: Path, progress: Any) -> None:
    (folder / f"{name}.pid").write_text(str(os.getpid()))
    time.sleep(600)


def _get_on(folder: Path, name: str, run_dir: Path, progress: Any) -> None:
    """Work longer than others may be silent."""
    for step in range(30):
        progress(step, 30)
        time.sleep(0.1)


def _hang_once(folder: Path, name: str, run_dir: Path, progress: Any) -> None:
    if not (folder / f"{name}.hung").exists():
        (folder / f"{name}.hung").touch()
        time.sleep(600)


def _die(folder: Path, name: str, run_dir: Path, progress: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_twice(folder: Path, name: str, run_dir: Path, progress: Any) -> None:
    deaths = len(list(folder.glob(f"{name}.died*")))
    if deaths < 2:
        (folder / f"{name}.died{deaths}").touch()
        os._exit(3)


def _print(folder: Path, name: str, run_dir: Path, progress: Any) -> None:
    print("not an answer", flush=True)
    os.write(1, b"nor this\n")


def _refuse(folder: Path, name: str, run_dir: Path, progress: Any) -> None:
    raise InputError("the text is empty")


def _fill_disk(folder: Path, name: str, run_dir: Path, progress: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def _divide(folder: Path, name: str, run_dir: Path, progress: Any) -> None:
    _ = 1 / 0


_DEEDS = {
    "sleep": _sleep,
    "meet": _meet,
    "sleep long": _sleep_long,
    "get on": _get_on,
    "hang once": _hang_once,
    "die": _die,
    "die twice": _die_twice,
    "print": _print,
    "refuse": _refuse,
    "fill disk": _fill_disk,
    "divide": _divide,
}
