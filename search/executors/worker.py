"""A worker process: reads jobs as JSON lines on standard input, answers on standard output.

It ends when standard input ends, i.e. also when the driver dies, in the middle of a job. Nothing is lost by that,
since results and checkpoints are written whole or not at all.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from nas_search.search.jobs import Job, JobFunction, Progress, load_function, run_job

END_OF_DRIVER = 0


def main(run_dir: Path) -> None:
    """Serve jobs until standard input ends."""
    answers = _claim_stdout()
    jobs: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read_jobs, args=(jobs,), daemon=True).start()
    while True:
        request = jobs.get()
        job = Job.model_validate(request["job"])
        failure = run_job(job, _logged(load_function(request["function"])), run_dir, _reporter(answers))
        _send(answers, {"finished": None if failure is None else failure.model_dump()})


def _claim_stdout() -> TextIO:
    """Keep standard output for answers; whatever else prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _read_jobs(jobs: queue.SimpleQueue[dict[str, Any]]) -> None:
    for line in sys.stdin:
        jobs.put(json.loads(line))
    os._exit(END_OF_DRIVER)


def _reporter(answers: TextIO) -> Progress:
    """Progress in steps of at least a hundredth."""
    told = -1

    def report(done: int, total: int) -> None:
        nonlocal told
        hundredths = 100 * done // max(total, 1)
        if hundredths != told:
            told = hundredths
            _send(answers, {"done": done, "total": total})

    return report


def _logged(function: JobFunction) -> JobFunction:
    """The driver gets one line of an error; the traceback goes to the workers' log."""

    def call(arguments: Mapping[str, Any], run_dir: Path, progress: Progress) -> dict[str, Any]:
        try:
            return function(arguments, run_dir, progress)
        except Exception:
            traceback.print_exc()
            raise

    return call


def _send(answers: TextIO, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
