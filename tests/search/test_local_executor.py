"""Real worker processes."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nas_search.search.executors.base import JobFinished, JobProgress
from nas_search.search.executors.local import LocalExecutor
from nas_search.search.jobs import Job, JobFailure, read_result

FUNCTIONS = {"train": "worker_fakes:act", "measure": "worker_fakes:act"}
PATIENCE_SECONDS = 60.0


@pytest.fixture
def executor(tmp_path: Path) -> Iterator[LocalExecutor]:
    (tmp_path / "jobs").mkdir()
    executor = LocalExecutor(tmp_path, 2, functions=FUNCTIONS)
    yield executor
    executor.close()


def job(name: str, do: str, *, alone: bool = False) -> Job:
    return Job(name=name, kind="measure" if alone else "train", arguments={"name": name, "do": do}, alone=alone)


def outcomes(executor: LocalExecutor, count: int) -> dict[str, JobFailure | None]:
    found: dict[str, JobFailure | None] = {}
    patience = time.monotonic() + PATIENCE_SECONDS
    while len(found) < count:
        assert time.monotonic() < patience
        for event in executor.wait(0.5):
            if isinstance(event, JobFinished):
                found[event.name] = event.failure
            else:
                assert event == JobProgress(event.name, 1, 2)
    return found


def test_jobs_run_in_processes_with_one_thread_and_store_results(executor: LocalExecutor, tmp_path: Path) -> None:
    jobs = [job(f"job{index}", "sleep") for index in range(4)]
    for one in jobs:
        executor.submit(one)
    assert outcomes(executor, 4) == dict.fromkeys(["job0", "job1", "job2", "job3"])
    results = [read_result(tmp_path, one) for one in jobs]
    pids = {result["pid"] for result in results}
    assert len(pids) == 2 and os.getpid() not in pids
    assert {result["threads"] for result in results} == {"1"}


def test_a_job_that_is_to_be_alone_runs_beside_no_other(executor: LocalExecutor, tmp_path: Path) -> None:
    for name, alone in [("a", False), ("b", False), ("alone", True), ("c", False), ("d", False)]:
        executor.submit(job(name, "sleep", alone=alone))
    outcomes(executor, 5)
    marks = (tmp_path / "marks").read_text().splitlines()
    begin = marks.index("begin alone")
    assert set(marks[:begin]) == {"begin a", "end a", "begin b", "end b"}
    assert marks[begin + 1] == "end alone"


def test_a_worker_that_dies_once_is_forgiven(executor: LocalExecutor) -> None:
    executor.submit(job("job", "die once"))
    assert outcomes(executor, 1) == {"job": None}


def test_a_worker_that_dies_again_fails_its_job_and_no_other(executor: LocalExecutor) -> None:
    executor.submit(job("bad", "die"))
    executor.submit(job("good", "sleep"))
    found = outcomes(executor, 2)
    assert found["good"] is None
    assert found["bad"].error == "died" and "SIGKILL" in found["bad"].reason


def test_errors_come_back_as_one_line_and_the_traceback_goes_to_the_log(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    for do in ("refuse", "fill disk", "divide", "print"):
        executor.submit(job(do, do))
    found = outcomes(executor, 4)
    assert found["refuse"] == JobFailure(error="input", reason="the text is empty")
    assert found["fill disk"].error == "disk_full"
    assert found["divide"] == JobFailure(error="failed", reason="ZeroDivisionError: division by zero")
    assert found["print"] is None
    log = (tmp_path / "workers.log").read_text()
    assert "Traceback" in log and "not an answer" in log and "nor this" in log


def wait_for(path: Path) -> str:
    patience = time.monotonic() + PATIENCE_SECONDS
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < patience
        time.sleep(0.02)
    return path.read_text()


def ends(pid: int) -> bool:
    patience = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < patience:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_closing_stops_workers_in_the_middle_of_a_job(executor: LocalExecutor, tmp_path: Path) -> None:
    executor.submit(job("long", "sleep long"))
    pid = int(wait_for(tmp_path / "long.pid"))
    executor.close()
    assert ends(pid)


def test_workers_die_with_a_driver_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    driver = os.fork()
    if driver == 0:
        try:
            executor = LocalExecutor(tmp_path, 2, functions=FUNCTIONS)
            executor.submit(job("one", "sleep long"))
            executor.submit(job("two", "sleep long"))
            while True:
                executor.wait(600)
        finally:
            os._exit(1)
    pids = [int(wait_for(tmp_path / f"{name}.pid")) for name in ("one", "two")]
    os.kill(driver, signal.SIGKILL)
    os.waitpid(driver, 0)
    assert all(ends(pid) for pid in pids)


def test_a_killed_worker_s_job_is_done_by_another(executor: LocalExecutor, tmp_path: Path) -> None:
    executor.submit(job("first", "sleep"))
    outcomes(executor, 1)
    first = read_result(tmp_path, job("first", "sleep"))
    os.kill(first["pid"], signal.SIGKILL)
    assert ends(first["pid"])
    executor.submit(job("second", "sleep"))
    assert outcomes(executor, 1) == {"second": None}
