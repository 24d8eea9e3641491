"""A search that is killed at any moment, and one whose journal is torn anywhere in its last line."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from search_fakes import Bench, InlineExecutor, essence

from nas_search.search.journal_file import JournalFile, open_storage, repair
from nas_search.search.study import Study

FIELDS: dict[str, Any] = {"trials": 10, "sampler": "random", "latency_budget": "1ms", "seed": 5, "confirm_members": 3}


@pytest.fixture
def undisturbed(bench: Bench) -> Study:
    return bench.run("undisturbed", **FIELDS)


def in_child(act: Callable[[], object]) -> int:
    """Do something in a forked process; returns the signal that ended it, 0 if it came to its end."""
    child = os.fork()
    if child == 0:
        try:
            act()
        finally:
            os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


def die_at_write(number: int, *, after: bool) -> None:
    """From now on, the process kills itself at its ``number``-th write to study or results, before or after it."""
    count = 0

    def deadly(write: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> None:
            nonlocal count
            count += 1
            if count == number and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            write(*arguments)
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

        return call

    JournalFile.append_logs = deadly(JournalFile.append_logs)
    os.fsync = deadly(os.fsync)


def same_results(one: Study, other: Study) -> None:
    assert essence(one) == essence(other)
    assert [r.confirmed for r in one.records()] == [r.confirmed for r in other.records()]
    assert one.winner() is not None
    assert one.winner().architecture == other.winner().architecture


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("part", range(3))
def test_killed_at_a_write(bench: Bench, undisturbed: Study, part: int, after: bool) -> None:
    """The run dies again and again, each time after a few more writes, until it comes to its end."""
    deaths = 0
    number = 1 + part

    def sitting() -> None:
        die_at_write(number, after=after)
        bench.run("run", **FIELDS)

    while in_child(sitting) == signal.SIGKILL:
        deaths += 1
        number += 8
    assert deaths > 5
    same_results(bench.run("run", **FIELDS), undisturbed)


def test_killed_at_random_moments(bench: Bench) -> None:
    before = time.monotonic()
    undisturbed = bench.run("undisturbed", **FIELDS)
    whole_seconds = time.monotonic() - before
    rng = np.random.default_rng(0)
    for _ in range(20):
        child = os.fork()
        if child == 0:
            try:
                bench.run("run", **FIELDS)
            finally:
                os._exit(0)
        time.sleep(float(rng.uniform(0.0, whole_seconds / 6)))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    same_results(bench.run("run", **FIELDS), undisturbed)


def test_two_deterministic_workers_killed_at_random_writes(bench: Bench) -> None:
    fields = FIELDS | {"workers": 2, "deterministic": True, "latency_budget": None, "sampler": "tpe"}
    undisturbed = bench.run("undisturbed", **fields)
    rng = np.random.default_rng(1)

    def sitting() -> None:
        die_at_write(int(rng.integers(5, 60)), after=bool(rng.integers(2)))
        bench.run("run", lambda run_dir, workers: InlineExecutor(run_dir, workers, order=7), **fields)

    while in_child(sitting) == signal.SIGKILL:
        rng.integers(1000)  # the child's draws are not seen here
    same_results(bench.run("run", **fields), undisturbed)


def test_at_most_one_rung_is_repeated(bench: Bench, undisturbed: Study) -> None:
    """Killed while a rung trains, again and again: only the job in flight is ever done twice."""
    _, deaths, started = bench.run_fragile("run", **FIELDS)
    same_results(Study.open(bench.folder / "run"), undisturbed)
    assert deaths > 3
    assert len(started) - len(set(started)) == deaths


def test_a_torn_journal(bench: Bench, undisturbed: Study) -> None:
    """Every length of the last line, for last lines of every kind; what is left is whole, and some are gone on with."""
    lines = (bench.folder / "undisturbed" / "study.journal").read_bytes().splitlines(keepends=True)
    kinds = {_kind(line): index for index, line in enumerate(lines) if index > 3}
    assert len(kinds) >= 6
    for index in kinds.values():
        before, line = b"".join(lines[:index]), lines[index]
        for cut in range(len(line)):
            _torn(bench, before, line[:cut])
        open_storage(bench.folder / "torn" / "study.journal")
        (bench.folder / "torn" / "study.journal").write_bytes(before + line[:-1])
        resumed = bench.run("torn", **FIELDS)
        same_results(resumed, undisturbed)


def _kind(line: bytes) -> str:
    """The operation, with the attribute's name: lines of one kind differ in figures only."""
    text = line.decode()
    names = ("candidate", "outcome", "constraints:", "facts", '"proposal_index"')
    return text.split(",")[0] + next((name for name in names if name in text), "")


def _torn(bench: Bench, before: bytes, torn: bytes) -> None:
    """Make a run whose journal ends in a torn line; repaired, it has the lines before."""
    folder = bench.folder / "torn"
    if not folder.exists():
        shutil.copytree(bench.folder / "undisturbed", folder)
    path = folder / "study.journal"
    path.write_bytes(before + torn)
    repair(path)
    assert path.read_bytes() == before


def test_a_dead_process_s_lock_does_not_stall(bench: Bench) -> None:
    bench.run("run", trials=2)
    (bench.folder / "run" / "study.journal.lock").symlink_to("study.journal")
    bench.run("run", trials=3)
    assert not (bench.folder / "run" / "study.journal.lock").exists()


def test_results_of_another_candidate_are_not_taken(bench: Bench) -> None:
    bench.run("run", trials=2)
    result = next((bench.folder / "run" / "jobs").glob("*-rung0.json"))
    (bench.folder / "other").mkdir()
    jobs = bench.folder / "other" / "jobs"
    jobs.mkdir()
    text = result.read_text().replace('"seed": 0', '"seed": 1')
    (jobs / result.name).write_text(text)
    study = bench.run("other", trials=2)
    assert essence(study) == essence(Study.open(bench.folder / "run"))
