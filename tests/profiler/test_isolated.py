"""Real processes that measure, and what becomes of them."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from nas_search.errors import InputError, RunError
from nas_search.profiler import isolated
from nas_search.profiler.device import Device, resolve_device
from nas_search.profiler.isolated import MeasuringProcessError, measure_isolated, run_here, run_isolated
from nas_search.profiler.measure import Vector
from nas_search.profiler.measurement import Failure, Measurement
from nas_search.profiler.timing import StopRule
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture

CPU = resolve_device("cpu")
QUICK = StopRule(interval=0.5, min_rounds=3, max_rounds=3, max_seconds=10)
OOM_SCORE = Path("/proc/self/oom_score_adj")
PATIENCE_SECONDS = 60.0
DECODE = Workload.parse("decode:16")


def test_a_function_runs_elsewhere_on_one_thread_and_its_warnings_come_back() -> None:
    told: list[tuple[int, int]] = []
    with pytest.warns(UserWarning, match="a slower kernel runs"):
        result = run_isolated("isolated_fakes:tell", {"name": "ü"}, lambda *now: told.append(now))
    assert result["pid"] != os.getpid()
    assert (result["given"], result["threads"]) == ({"name": "ü"}, "1")
    assert told[0] == (0, 1000)
    assert told[-1] == (1000, 1000)
    assert len(told) == 101


@pytest.mark.skipif(not OOM_SCORE.exists(), reason="only Linux says whom it ends when memory runs out")
def test_where_memory_runs_out_it_goes_before_its_parent() -> None:
    there = run_isolated("isolated_fakes:oom_score", {})["score"]
    assert there == 1000 >= int(OOM_SCORE.read_text())


def test_the_same_function_runs_here() -> None:
    with pytest.warns(UserWarning, match="a slower kernel runs"):
        assert run_here("isolated_fakes:tell", {})["pid"] == os.getpid()


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("SIGKILL", "killed by SIGKILL, probably out of memory"),
        ("SIGSEGV", "killed by SIGSEGV"),
        ("exit", "exit code 3"),
        ("no memory", "MemoryError"),
        ("broken device", "RuntimeError: CUDA error: an illegal memory access was encountered"),
        pytest.param(
            "half an answer",
            "killed by SIGKILL, probably out of memory",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="finds the pipe in /proc"),
        ),
    ],
)
@pytest.mark.parametrize("at", [None, 0, 300])
def test_how_it_went_wrong_and_whose_turn_it_was(how: str, reason: str, at: int | None) -> None:
    with pytest.raises(MeasuringProcessError) as caught:
        run_isolated("isolated_fakes:go_wrong", {"how": how, "at": at})
    assert caught.value.reason == reason
    assert caught.value.index == at
    assert str(caught.value) == f"the process that measures failed: {reason}"


@pytest.mark.parametrize(
    ("how", "error", "text"),
    [("bad input", InputError, "the batch is too large"), ("throttled", RunError, "clocks are held down")],
)
def test_our_own_errors_come_back_as_themselves(how: str, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        run_isolated("isolated_fakes:go_wrong", {"how": how, "at": 1})
    assert type(caught.value) is error
    assert str(caught.value) == text
    assert "in go_wrong" in caught.value.__notes__[0]


def wait_for(path: Path) -> int:
    patience = time.monotonic() + PATIENCE_SECONDS
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < patience
        time.sleep(0.02)
    return int(path.read_text())


def ends(pid: int) -> bool:
    patience = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < patience:
        found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
        if found.stdout.strip()[:1] in {"", "Z"}:
            return True
        time.sleep(0.02)
    return False


def test_it_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    call = f"run_isolated('isolated_fakes:hang', {{'mark': {str(mark)!r}}})"
    code = f"import sys\nsys.path[:] = {sys.path!r}\nfrom nas_search.profiler.isolated import run_isolated\n{call}"
    parent = subprocess.Popen([sys.executable, "-c", code])
    pid = wait_for(mark)
    parent.kill()
    parent.wait()
    assert ends(pid)


def test_it_ends_when_the_parent_is_interrupted(tmp_path: Path) -> None:
    mark, seen = tmp_path / "pid", []

    def interrupt() -> None:
        seen.append(wait_for(mark))
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run_isolated("isolated_fakes:hang", {"mark": str(mark)})
    thread.join()
    assert ends(seen[0])


def networks(*texts: str) -> list[Architecture]:
    return [Architecture.parse(text) for text in texts]


@pytest.mark.parametrize("text", ["decode:16,batch=2", "generate:4,prompt=8", "throughput:16,batch=3", "memory:16"])
def test_measures_as_in_this_process(text: str) -> None:
    seen: dict[int, Vector] = {}
    workload = Workload.parse(text, "bfloat16")
    small, large = measure_isolated(
        networks("w32 a f", "w64 vocab=512 meta=2 (m2 f d)x4"),
        workload,
        device=CPU,
        seed=0,
        clock="device",
        stop=QUICK,
        rounds=seen.__setitem__,
    )
    assert isinstance(small, Measurement)
    assert isinstance(large, Measurement)
    assert (small.value > large.value) == workload.higher_is_better
    for measured in (small, large):
        assert (measured.workload, measured.unit) == (str(workload), workload.unit)
        assert (measured.device_id, measured.clock) == (CPU.id, "device")
    if workload.is_latency:
        assert [len(seen[index]) for index in (0, 1)] == [small.n, large.n] == [3, 3]
        assert np.median(seen[1]) == pytest.approx(large.value)


def test_who_dies_in_turn_is_a_failure_and_the_others_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "MEASURE", "isolated_fakes:die_at_the_doomed")
    mixed = networks("w32 a f", "w96 a f", "w64 a f", "w96 m2 f", "w32 f")
    seen: dict[int, Vector] = {}
    outcomes = measure_isolated(mixed, DECODE, device=CPU, seed=0, stop=QUICK, rounds=seen.__setitem__)
    killed = Failure(reason="killed by SIGKILL, probably out of memory")
    assert [outcome == killed for outcome in outcomes] == [False, True, False, True, False]
    assert all(isinstance(outcomes[index], Measurement) for index in (0, 2, 4))
    assert sorted(seen) == [0, 2, 4]


def test_where_all_die_all_have_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "MEASURE", "isolated_fakes:die_at_the_doomed")
    doomed = networks("w96 a f", "w96 m2 f")
    outcomes = measure_isolated(doomed, DECODE, device=CPU, seed=0, stop=QUICK)
    assert all(isinstance(outcome, Failure) for outcome in outcomes)


def test_a_death_that_no_network_is_to_blame_for_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "MEASURE", "isolated_fakes:die_at_once")
    with pytest.raises(RunError, match="the process that measures failed: killed by SIGKILL"):
        measure_isolated(networks("w32 a f"), DECODE, device=CPU, seed=0)


def test_bad_input_is_found_there_and_told_here() -> None:
    elsewhere = Device(name="h100", fingerprint={"kind": "cuda"})
    with pytest.raises(InputError, match="'h100' is not on this machine"):
        measure_isolated(networks("w32 a f"), DECODE, device=elsewhere, seed=0)
    with pytest.raises(InputError, match="sequences of 1048577 tokens can be held"):
        measure_isolated(networks("w32 a f"), Workload.parse("decode:1048576,batch=65536"), device=CPU, seed=0)
