"""A tiny table, and an executor that needs no processes."""

from itertools import product
from pathlib import Path

import pandas as pd

from nas_search.child_process import load_function
from nas_search.search.bench.setting import BenchSetting
from nas_search.search.executors.base import JobEvent, JobFinished
from nas_search.search.jobs import FUNCTIONS, Job, run_job

GENES = ("width", "depth", "kind")


def frame() -> pd.DataFrame:
    """All combinations of three genes: wide and deep is slow and good, and one kind is a little better."""
    rows = pd.DataFrame(product([32, 64, 96, 128], [1, 2, 3], ["a", "b"]), columns=list(GENES))
    rows["ms"] = rows.width * rows.depth / 100 + (rows.kind == "a")
    rows["bits"] = 4 - 0.005 * rows.width - 0.2 * rows.depth + 0.1 * (rows.kind == "b")
    rows["seconds"] = 10.0 * rows.depth
    rows["name"] = [f"network {row}" for row in range(len(rows))]
    return rows


def write_table(path: Path) -> Path:
    """:func:`frame` as CSV."""
    frame().to_csv(path, index=False)
    return path


def setting(*samplers: str, **changes: object) -> BenchSetting:
    """A benchmark of it."""
    fields = {"genes": GENES, "loss": "bits", "latency": "ms", "samplers": samplers, "trials": 8, "seeds": 2}
    return BenchSetting.model_validate(fields | changes)


class InProcess:
    """Runs a job when it is waited for."""

    interrupt_after: int | None = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.submitted: list[Job] = []
        self._done = 0

    def submit(self, job: Job) -> None:
        self.submitted.append(job)

    def wait(self, timeout_seconds: float) -> list[JobEvent]:
        if self._done == self.interrupt_after:
            raise KeyboardInterrupt
        job = self.submitted[self._done]
        self._done += 1
        failure = run_job(job, load_function(FUNCTIONS[job.kind]), self.folder, lambda done, total: None)
        return [JobFinished(job.name, failure)]

    def close(self) -> None:
        """Nothing is open."""
