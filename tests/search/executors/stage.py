"""An executor and what happened to its jobs."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from nas_search.search.executors.base import Executor, JobFinished, JobProgress
from nas_search.search.jobs import Job, JobFailure

FAKES = Path(__file__).with_name("executor_fakes.py")
FUNCTIONS = {"train": "executor_fakes:act", "measure": "executor_fakes:act", "replay": "executor_fakes:read_on"}
PATIENCE_SECONDS = 120.0


class Stage:
    """Runs jobs; ``marks`` is where they leave their marks."""

    def __init__(self, executor: Executor, run_dir: Path, marks: Path) -> None:
        self.executor, self.run_dir, self.folder = executor, run_dir, marks
        self.progress: list[JobProgress] = []

    def job(self, name: str, do: str = "sleep", *, alone: bool = False) -> Job:
        arguments = {"name": name, "do": do, "marks": str(self.folder), "device": "cpu"}
        return Job(name=name, kind="measure" if alone else "train", arguments=arguments, alone=alone)

    def run(self, *jobs: Job) -> dict[str, JobFailure | None]:
        """Submit jobs and wait for their ends."""
        for job in jobs:
            self.executor.submit(job)
        return self.ends(len(jobs))

    def ends(self, count: int) -> dict[str, JobFailure | None]:
        found: dict[str, JobFailure | None] = {}
        patience = time.monotonic() + PATIENCE_SECONDS
        while len(found) < count:
            assert time.monotonic() < patience, found
            for event in self.executor.wait(0.2):
                if isinstance(event, JobFinished):
                    found[event.name] = event.failure
                else:
                    self.progress.append(event)
        return found

    def wait_until(self, happened: Callable[[], bool]) -> None:
        """Wait for something that needs the executor's attention meanwhile."""
        patience = time.monotonic() + PATIENCE_SECONDS
        while not happened():
            assert time.monotonic() < patience
            self.executor.wait(0.05)

    @property
    def marks(self) -> list[str]:
        return (self.folder / "marks").read_text().splitlines()

    def pid(self, name: str) -> int:
        """Of the process of a job that sleeps long."""
        file = self.folder / f"{name}.pid"
        self.wait_until(lambda: file.exists() and file.read_text() != "")
        return int(file.read_text())


def ends(pid: int) -> bool:
    """Whether a process comes to its end."""
    patience = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < patience:
        if not _lives(pid):
            return True
        time.sleep(0.02)
    return False


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
