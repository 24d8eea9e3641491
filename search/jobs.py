"""Jobs: what workers do, by name and JSON-able arguments, and the files that keep their results.

A result is written whole by the worker before the driver hears of it, so a job that was done is never done again.
"""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from nas_search.errors import MEND_IT, InputError, RunError, first_line, is_disk_full, system_refusal
from nas_search.files import write_text_atomic

JobKind = Literal["train", "recall", "record_table", "measure", "replay"]
JsonObject = dict[str, Any]
Progress = Callable[[int, int], None]
JobFunction = Callable[[Mapping[str, Any], Path, Progress], JsonObject]
"""Called with the job's arguments, the run directory and a progress callback; returns the result."""

JOBS_FOLDER = "jobs"
FUNCTIONS: Mapping[JobKind, str] = {
    "train": "nas_search.search.job_functions:train",
    "recall": "nas_search.search.job_functions:recall",
    "record_table": "nas_search.search.job_functions:record_table",
    "measure": "nas_search.search.job_functions:measure",
    "replay": "nas_search.search.bench.job:run_replay",
}
"""Where each kind's function is; workers import it, the driver never does."""
_DISK_BROKEN = frozenset({errno.EIO, errno.EROFS, errno.EFBIG, errno.ESTALE, errno.ENOTCONN})
"""What no candidate can be blamed for."""


class Job(BaseModel):
    """Work for a worker. ``name`` is unique in a run and names the result's file; ``alone`` means beside no other."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$")
    kind: JobKind
    arguments: JsonObject
    alone: bool = False


class JobFailure(BaseModel):
    """Why a job has no result, in one line. ``error`` tells whose fault it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error: Literal["input", "run", "disk_full", "failed", "died"]
    reason: str

    def raise_unless_its_own(self) -> None:
        """Raise what concerns the whole run: bad input, a full disk. What is left is this job's own failure."""
        if self.error == "input":
            raise InputError(self.reason)
        if self.error in {"run", "disk_full"}:
            raise RunError(self.reason)


def run_job(job: Job, function: JobFunction, run_dir: Path, progress: Progress) -> JobFailure | None:
    """Do a job and write its result; returns the failure if there is one."""
    try:
        result = function(job.arguments, run_dir, progress)
        write_result(run_dir, job, result)
    except Exception as error:
        return failure_of(error)
    return None


def failure_of(error: Exception) -> JobFailure:
    """The failure that an exception stands for."""
    text = " ".join(str(error).split())
    if isinstance(error, InputError):
        return JobFailure(error="input", reason=text)
    if isinstance(error, RunError):
        return JobFailure(error="run", reason=text)
    if isinstance(error, OSError) and is_disk_full(error):
        return JobFailure(error="disk_full", reason=f"{system_refusal(error)}; {MEND_IT}")
    if isinstance(error, OSError) and error.errno in _DISK_BROKEN:
        return JobFailure(error="run", reason=f"{system_refusal(error)}; {MEND_IT}")
    if isinstance(error, MemoryError):
        return JobFailure(error="failed", reason="out of memory")
    return JobFailure(error="failed", reason=first_line(error))


def write_result(run_dir: Path, job: Job, result: JsonObject) -> None:
    """Store a result, with the arguments that it belongs to."""
    result = json.loads(json.dumps(result))
    content = {"kind": job.kind, "arguments": job.arguments, "result": result, "sha256": _digest(result)}
    write_text_atomic(result_path(run_dir, job.name), json.dumps(content) + "\n")


def read_result(run_dir: Path, job: Job) -> JsonObject | None:
    """The stored result of exactly this job, or None; one whose bits have changed is none."""
    try:
        content = json.loads(result_path(run_dir, job.name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    same = content.get("kind") == job.kind and content.get("arguments") == job.arguments
    result = content.get("result")
    if not same or not isinstance(result, dict):
        return None
    # Results of earlier versions have no digest.
    return result if content.get("sha256") in {None, _digest(result)} else None


def _digest(result: JsonObject) -> str:
    """A bit that changes on the disk may change a loss, and nobody would know. JSON keeps floats as they are."""
    return hashlib.sha256(json.dumps(result, sort_keys=True).encode()).hexdigest()


def result_path(run_dir: Path, name: str) -> Path:
    """Where the result of the job with this name is."""
    return run_dir / JOBS_FOLDER / f"{name}.json"
