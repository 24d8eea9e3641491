"""A benchmark from its table to its figures; interrupted, it goes on where it was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pydantic import ValidationError

from nas_search.errors import InputError, RunError
from nas_search.files import write_atomic
from nas_search.search.batch import run_jobs
from nas_search.search.bench.replayed import Replayed
from nas_search.search.bench.result import BenchResult
from nas_search.search.bench.scale import Scale
from nas_search.search.bench.setting import BenchSetting
from nas_search.search.bench.table_file import read_search_table
from nas_search.search.executors.base import JobProgress
from nas_search.search.executors.local import LocalExecutor
from nas_search.search.jobs import JOBS_FOLDER, Job, Progress, read_result


def run_benchmark(
    table: Path, setting: BenchSetting, *, out: Path | None, processes: int, progress: Progress
) -> BenchResult:
    """Replay every sampler with every seed in ``processes`` processes of one thread each, and sum up.

    Replays that ``out`` has already are taken from there; without it nothing is kept. Raises InputError for a table
    or options that do not fit, RunError if a replay fails.
    """
    found = read_search_table(table, setting.columns)
    setting.check(len(found.rows))
    points = np.column_stack([found.latencies, found.losses[:, -1]])
    scale = Scale.of(points)
    with _folder(out) as folder:
        jobs = list(setting.jobs(_keep(table, folder)))
        _replay([job for _, job in jobs if _read(folder, job) is None], folder, processes, progress)
        replays: dict[str, list[Replayed]] = {name: [] for name in setting.samplers}
        for name, job in jobs:
            replayed = _read(folder, job)
            if replayed is None:
                raise RunError(f"{job.name}: its result cannot be read in {folder}")
            replays[name].append(replayed)
    return BenchResult.of(table.name, points, scale, setting, replays)


def _replay(jobs: list[Job], folder: Path, processes: int, progress: Progress) -> None:
    evaluations = {job.name: int(job.arguments["trials"]) for job in jobs}
    done = dict.fromkeys(evaluations, 0)

    def show(name: str, count: int) -> None:
        done[name] = count
        progress(sum(done.values()), sum(evaluations.values()))

    def further(event: JobProgress) -> None:
        show(event.name, event.done)

    def finished(job: Job) -> None:
        show(job.name, evaluations[job.name])

    with closing(LocalExecutor(folder, processes)) as executor:
        failures = run_jobs(executor, jobs, progress=further, finished=finished)
    if failures:
        name, failure = next(iter(failures.items()))
        raise RunError(f"{len(failures)} of {len(jobs)} replays failed, {name}: {failure.reason}")


def _read(folder: Path, job: Job) -> Replayed | None:
    """What a job came to; a damaged result is none."""
    stored = read_result(folder, job)
    try:
        return None if stored is None else Replayed.model_validate(stored)
    except ValidationError:
        return None


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    if out is None:
        with TemporaryDirectory() as folder:
            (Path(folder) / JOBS_FOLDER).mkdir()
            yield Path(folder)
        return
    try:
        (out / JOBS_FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be a folder for results: {error.strerror}") from None
    yield out


def _keep(table: Path, folder: Path) -> str:
    """A copy of the table in the folder, named by its content, so that results say what they belong to."""
    content = table.read_bytes()
    name = f"{hashlib.sha256(content).hexdigest()[:16]}{table.suffix.lower()}"
    try:
        if not (folder / name).exists():
            write_atomic(folder / name, content)
    except OSError as error:
        raise RunError(f"{folder}: the table cannot be kept there: {error.strerror}") from None
    return name
