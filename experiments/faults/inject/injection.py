"""Inside every process of a disturbed search: notices moments, and makes happen what the plan wants at them.

Files are watched by an audit hook, so at the border to the operating system, whoever writes them: the moment is right
before the call, and an error that is raised there is what the caller gets. Moments of jobs are noticed around the
function that runs them in a worker. The program under test is not changed otherwise.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import clocks
import deeds

_EVENTS = {"open": "open", "os.rename": "rename", "os.mkdir": "mkdir"}
_ROLES = {"nas_search.search.executors.worker": "worker", "nas_search.profiler.measuring_process": "measurer"}
_WRITING = os.O_WRONLY | os.O_RDWR


class Injection:
    """The plan of one sitting, as this process sees it. What has happened is kept in files: all processes share it."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self.run, self.state = Path(plan["run"]), Path(plan["state"])
        self.functions: dict[Any, str] = plan["functions"]
        self.role = next((role for module, role in _ROLES.items() if module in sys.orig_argv), "driver")
        self._faults = [(index, fault) for index, fault in enumerate(plan["faults"]) if fault["process"] == self.role]
        self._busy = threading.local()

    def event(self, moment: str, subject: str) -> None:
        """A moment has come: ``subject`` is a job, or a file relative to the run directory."""
        if getattr(self._busy, "now", False):
            return
        self._busy.now = True
        try:
            deeds.refuse_if_full(self, moment)
            for index, fault in self._faults:
                if fault["moment"] == moment and re.search(fault["subject"], subject) and _within(fault["within"]):
                    self._strike(index, fault, subject)
        finally:
            self._busy.now = False

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """What the interpreter is about to ask of the operating system."""
        moment = _EVENTS.get(event)
        if moment is None:
            return
        path = arguments[1] if moment == "rename" else arguments[0]
        if moment == "open" and not (isinstance(path, str) and arguments[2] & _WRITING):
            return
        place = os.fspath(path) if isinstance(path, str | Path) else ""
        if place.startswith(f"{self.run}/"):
            self.event(moment, place[len(str(self.run)) + 1 :])

    def note(self, file: str, line: str) -> int:
        """Add a line to a file that all processes share; returns how many it has by now."""
        handle = os.open(self.state / file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(handle, f"{line}\n".encode())
            end = os.lseek(handle, 0, os.SEEK_CUR)
            return os.pread(handle, end, 0).count(b"\n")
        finally:
            os.close(handle)

    def _strike(self, index: int, fault: Mapping[str, Any], subject: str) -> None:
        """At the nth such moment; a fault that comes several times comes for the same subject."""
        pinned = self.state / f"{index}.subject"
        if pinned.exists():
            if pinned.read_text() != subject:
                return
        elif self.note(f"{index}.seen", subject) != fault["nth"]:
            return
        else:
            pinned.write_text(subject)
        if self.note(f"{index}.struck", subject) <= fault["times"]:
            deeds.DEEDS[fault["deed"]](self, fault, subject)


def install(path: str) -> None:
    """Read the plan and watch this process."""
    plan = json.loads(Path(path).read_text(encoding="utf-8"))
    injection = Injection(plan)
    clocks.jump(plan["clock_jumps"], injection.role)
    if injection.role == "driver":
        # A shell leaves its background jobs deaf to Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _watch_jobs(injection)
    sys.addaudithook(injection.audit)


def _watch_jobs(injection: Injection) -> None:
    """Moments of a job: it begins, gets on, its function has returned, its result is written but nobody told."""
    from nas_search.search import jobs

    functions, run_job = jobs.FUNCTIONS, jobs.run_job
    assert isinstance(functions, dict)
    functions.update(injection.functions)

    def watched(job: jobs.Job, function: jobs.JobFunction, run_dir: Path, progress: jobs.Progress) -> Any:
        def call(arguments: Mapping[str, Any], run_dir: Path, progress: jobs.Progress) -> dict[str, Any]:
            def got_on(done: int, total: int) -> None:
                progress(done, total)
                injection.event("progress", job.name)

            injection.note("begun", job.name)
            injection.event("job", job.name)
            result = function(arguments, run_dir, got_on)
            injection.event("returned", job.name)
            return result

        failure = run_job(job, call, run_dir, progress)
        injection.event("stored", job.name)
        return failure

    jobs.run_job = watched


def _within(function: str) -> bool:
    """Whether a function of this name is being called; "" is always."""
    frame = sys._getframe(1)
    while function and frame is not None:
        if frame.f_code.co_name == function:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return not function
