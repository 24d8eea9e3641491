"""Whole searches in which something goes wrong, with training by formula."""

import errno
import json
from pathlib import Path
from typing import Any

import pytest
from search_fakes import (
    Bench,
    InlineExecutor,
    Recorder,
    essence,
    executor_with,
    failing_train,
    fake_train,
    few_members,
)

from nas_search.errors import RunError
from nas_search.search.journal_file import JournalFile


def test_a_duplicate_of_a_failed_trial_fails(bench: Bench) -> None:
    space = few_members(bench, widths=[32])
    observer = Recorder()
    study = bench.run("run", executor_with(train=failing_train), observer, space=str(space), trials=2)
    assert {record.state for record in study.records()} == {"failed", "duplicate"}
    assert study.records()[1].reason == "trial 0 failed: loss not finite at step 3"
    assert study.front() == [] and study.winner() is None
    assert "no trial reached the top rung: nothing to confirm" in observer.notes


def test_failures_have_a_reason_and_do_not_end_the_search(bench: Bench) -> None:
    study = bench.run("run", executor_with(train=failing_train), trials=12, sampler="random")
    failed = [record for record in study.records() if record.state == "failed"]
    assert failed and all(record.reason == "loss not finite at step 3" for record in failed)
    assert any(record.state == "complete" for record in study.records())
    assert all(record.state != "failed" for record in study.front())


def test_a_job_that_raises_fails_its_trial_only(bench: Bench) -> None:
    def memory_runs_out(arguments: Any, run_dir: Path, progress: Any) -> Any:
        if arguments["architecture"].startswith("w96"):
            raise MemoryError
        return fake_train(arguments, run_dir, progress)

    study = bench.run("run", executor_with(train=memory_runs_out), trials=10, sampler="random")
    reasons = {record.reason for record in study.records() if record.architecture.startswith("w96")}
    assert reasons == {"out of memory"}


def test_disk_full_in_a_worker_ends_the_run_and_the_study_goes_on_later(bench: Bench) -> None:
    calls = []

    def full(arguments: Any, run_dir: Path, progress: Any) -> Any:
        calls.append(1)
        if len(calls) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return fake_train(arguments, run_dir, progress)

    with pytest.raises(RunError, match="disk full"):
        bench.run("run", executor_with(train=full))
    assert essence(bench.run("run")) == essence(bench.run("straight"))


def test_disk_full_in_the_driver(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    original, calls = JournalFile.append_logs, []

    def full(self: JournalFile, logs: list[dict[str, Any]]) -> None:
        calls.append(1)
        if len(calls) < 30:
            return original(self, logs)
        with Path(self._path).open("ab") as file:
            file.write(json.dumps(logs[0]).encode()[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(JournalFile, "append_logs", full)
        with pytest.raises(RunError, match="disk full"):
            bench.run("run")
    assert essence(bench.run("run")) == essence(bench.run("straight"))


def test_interrupting_stops_the_workers_and_keeps_the_study(bench: Bench) -> None:
    class Interrupted(InlineExecutor):
        def wait(self, timeout_seconds: float) -> Any:
            if len(self.done) == 3:
                raise KeyboardInterrupt
            return super().wait(timeout_seconds)

    made: list[Interrupted] = []

    def make(run_dir: Path, workers: int) -> Interrupted:
        made.append(Interrupted(run_dir, workers))
        return made[-1]

    with pytest.raises(KeyboardInterrupt):
        bench.run("run", make)
    assert made[0].closed
    assert essence(bench.run("run")) == essence(bench.run("straight"))
