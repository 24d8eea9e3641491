"""A worker process: reads jobs as JSON lines on standard input, answers on standard output.

It ends when standard input ends, i.e. also when the driver dies, in the middle of a job. Nothing is lost by that,
since results and checkpoints are written whole or not at all.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas_search.child_process import answer, claim_stdout, in_hundredths, load_function, requests
from nas_search.search.jobs import Job, JobFunction, Progress, run_job


def main(run_dir: Path) -> None:
    """Serve jobs until standard input ends."""
    answers, jobs = claim_stdout(), requests()

    def progress(done: int, total: int) -> None:
        answer(answers, {"done": done, "total": total})

    while True:
        request = jobs.get()
        job = Job.model_validate(request["job"])
        failure = run_job(job, _logged(load_function(request["function"])), run_dir, in_hundredths(progress))
        answer(answers, {"finished": None if failure is None else failure.model_dump()})


def _logged(function: JobFunction) -> JobFunction:
    """The driver gets one line of an error; the traceback goes to the workers' log."""

    def call(arguments: Mapping[str, Any], run_dir: Path, progress: Progress) -> dict[str, Any]:
        try:
            return function(arguments, run_dir, progress)
        except Exception:
            traceback.print_exc()
            raise

    return call


if __name__ == "__main__":
    main(Path(sys.argv[1]))
