"""What every executor does alike: worker processes here, workers on a Ray cluster, and those of a simulation."""

import os
from collections.abc import Callable

import pytest
from stage import Stage, ends

from nas_search.search.executors.base import JobProgress
from nas_search.search.jobs import JobFailure, read_result

MakeStage = Callable[..., Stage]
ALL = pytest.mark.parametrize("kind", ["virtual", "local", "ray"])
REAL = pytest.mark.parametrize("kind", ["local", "ray"])


@ALL
def test_jobs_start_in_the_order_of_submission_and_store_their_results(kind: str, stage_on: MakeStage) -> None:
    stage = stage_on(kind, workers=1)
    jobs = [stage.job(f"job{index}") for index in range(4)]
    assert stage.run(*jobs) == dict.fromkeys(["job0", "job1", "job2", "job3"])
    assert stage.marks == [f"{what} job{index}" for index in range(4) for what in ("begin", "end")]
    assert all(read_result(stage.run_dir, job) is not None for job in jobs)
    assert 0.4 <= stage.executor.busy_seconds < 60


@ALL
def test_a_job_that_is_to_be_alone_runs_beside_no_other(kind: str, stage_on: MakeStage) -> None:
    stage = stage_on(kind)
    stage.run(*(stage.job(name, alone=name == "alone") for name in ("a", "b", "alone", "c", "d")))
    begin = stage.marks.index("begin alone")
    assert set(stage.marks[:begin]) == {"begin a", "end a", "begin b", "end b"}
    assert stage.marks[begin + 1] == "end alone"


@REAL
def test_workers_are_processes_with_one_thread_that_go_on_to_the_next_job(kind: str, stage_on: MakeStage) -> None:
    stage = stage_on(kind)
    jobs = [stage.job(name, name.split("-")[0]) for name in ("meet-0", "meet-1", "sleep-0", "sleep-1")]
    stage.run(*jobs)
    results = [read_result(stage.run_dir, job) or {} for job in jobs]
    pids = {result["pid"] for result in results}
    assert len(pids) == 2 and os.getpid() not in pids
    assert {result["threads"] for result in results} == {"1"}
    assert JobProgress("meet-0", 1, 2) in stage.progress


@REAL
def test_errors_come_back_as_one_line_and_tracebacks_go_to_the_log(kind: str, stage_on: MakeStage) -> None:
    stage = stage_on(kind)
    found = stage.run(*(stage.job(do.split()[0], do) for do in ("refuse", "fill disk", "divide", "print")))
    assert found["refuse"] == JobFailure(error="input", reason="the text is empty")
    assert found["fill"] is not None and found["fill"].error == "disk_full"
    assert found["divide"] == JobFailure(error="failed", reason="ZeroDivisionError: division by zero")
    assert found["print"] is None
    log = (stage.run_dir / "workers.log").read_text()
    assert "Traceback" in log and "not an answer" in log and "nor this" in log


@REAL
def test_two_deaths_are_forgiven_and_three_are_not(kind: str, stage_on: MakeStage) -> None:
    stage = stage_on(kind)
    found = stage.run(stage.job("bad", "die"), stage.job("unlucky", "die twice"), stage.job("good"))
    assert found["unlucky"] is None and found["good"] is None
    assert found["bad"] is not None and found["bad"].error == "died"
    assert "3 times" in found["bad"].reason and "SIGKILL" in found["bad"].reason
    assert stage.marks.count("begin bad") == 3


@REAL
def test_a_job_that_hangs_is_tried_again_and_one_that_gets_on_is_not(kind: str, stage_on: MakeStage) -> None:
    stage = stage_on(kind, stall_seconds=1.5)
    found = stage.run(stage.job("slow", "get on"), stage.job("hangs", "hang once"))
    assert found == {"slow": None, "hangs": None}
    assert (stage.marks.count("begin slow"), stage.marks.count("begin hangs")) == (1, 2)


@REAL
def test_a_job_that_always_hangs_fails_with_the_reason(kind: str, stage_on: MakeStage) -> None:
    stage = stage_on(kind, stall_seconds=0.6)
    failure = stage.run(stage.job("hangs", "sleep long"))["hangs"]
    assert failure is not None and failure.error == "died"
    assert "no progress for 0.01 min" in failure.reason


@REAL
def test_closing_stops_workers_in_the_middle_of_a_job(kind: str, stage_on: MakeStage) -> None:
    stage = stage_on(kind)
    stage.executor.submit(stage.job("long", "sleep long"))
    pid = stage.pid("long")
    stage.executor.close()
    assert ends(pid)


@REAL
def test_the_job_of_a_worker_that_is_killed_is_done_by_another(kind: str, stage_on: MakeStage) -> None:
    stage = stage_on(kind)
    first, second = stage.job("first"), stage.job("second")
    stage.run(first)
    pid = (read_result(stage.run_dir, first) or {})["pid"]
    os.kill(pid, 9)
    assert ends(pid)
    assert stage.run(second) == {"second": None}
