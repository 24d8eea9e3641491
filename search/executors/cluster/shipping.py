"""The files of a job on their way to a worker and back: a worker elsewhere has a run directory of its own.

What a job goes on from, its checkpoints, is sent along; whatever it left in its run directory comes back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas_search.errors import RunError
from nas_search.files import replacing_file
from nas_search.search.executors.base import WORKER_LOG
from nas_search.search.jobs import Job, result_path, write_result

Files = dict[str, NDArray[np.uint8]]
"""Contents by path relative to a run directory; arrays, since Ray moves those without copies."""
Marks = dict[str, tuple[int, int, int]]
"""What tells whether a file is still the same."""
FOLDER_ARGUMENT = "checkpoints"


def files_to_send(run_dir: Path, job: Job) -> Files:
    """What the job goes on from."""
    folder = job.arguments.get(FOLDER_ARGUMENT)
    if folder is None:
        return {}
    return {_relative(path, run_dir): _read(path) for path in _files(run_dir / str(folder))}


def unpack(run_dir: Path, files: Mapping[str, NDArray[np.uint8]]) -> None:
    """Write files where they belong, each whole or not at all. Raises RunError for a path that leads elsewhere."""
    for name, content in files.items():
        path = run_dir / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise RunError(f"a worker sent the file {name!r}, which does not belong into a run directory")
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing_file(path) as file:
            file.write(content.data)


def all_files(folder: Path) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Every file of a folder, one at a time."""
    for path in _files(folder):
        yield _relative(path, folder), _read(path)


def marks(run_dir: Path) -> Marks:
    """All files in a run directory but the log."""
    found = {_relative(path, run_dir): path.stat() for path in _files(run_dir)}
    return {name: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in found.items() if name != WORKER_LOG}


def changed_files(run_dir: Path, before: Marks) -> Files:
    """What is new, or another than it was."""
    now = marks(run_dir)
    return {name: _read(run_dir / name) for name, mark in now.items() if before.get(name) != mark}


def store(run_dir: Path, job: Job, files: Files) -> None:
    """Store what a job left as if it had run here; its result comes last, and with the arguments it was given here.

    Raises OSError if that cannot be written, RunError if there is no result.
    """
    result = _relative(result_path(run_dir, job.name), run_dir)
    if result not in files:
        raise RunError(f"{job.name}: the worker says that it is done, but sent no result")
    unpack(run_dir, {name: content for name, content in files.items() if name != result})
    write_result(run_dir, job, json.loads(files[result].tobytes())["result"])


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def _relative(path: Path, run_dir: Path) -> str:
    return path.relative_to(run_dir).as_posix()


def _read(path: Path) -> NDArray[np.uint8]:
    return np.fromfile(path, dtype=np.uint8)
