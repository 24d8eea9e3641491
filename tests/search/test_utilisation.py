"""How busy workers were."""

from pathlib import Path

import pytest

from nas_search.search.events import EventLog
from nas_search.search.jobs import Job
from nas_search.search.simulation.virtual_executor import VirtualClock, VirtualExecutor
from nas_search.search.utilisation import Utilisation, counted, utilisation


def work(log: EventLog, clock: VirtualClock, seconds: list[float]) -> None:
    executor = VirtualExecutor(2, clock, seconds=lambda job: seconds[int(job.name)], finish=lambda job: None)
    with counted(executor, 2, log, clock):
        for index in range(len(seconds)):
            executor.submit(Job(name=str(index), kind="train", arguments={}))
        while executor.wait(1.0):
            pass


def test_busy_time_is_added_up_over_workers_and_sittings(tmp_path: Path) -> None:
    log, clock = EventLog(tmp_path / "events.jsonl"), VirtualClock()
    assert utilisation(log.path) is None
    work(log, clock, [3.0, 1.0, 1.0])
    assert utilisation(log.path) == Utilisation(busy=5, present=6)
    work(log, clock, [4.0])
    found = utilisation(log.path)
    assert found == Utilisation(busy=9, present=14)
    assert found.idle_share == pytest.approx(5 / 14)
    assert str(found) == "64.3% busy in 14 s of workers' time, 35.7% idle"


def test_an_interrupted_search_is_counted_and_damaged_lines_are_not(tmp_path: Path) -> None:
    log, clock = EventLog(tmp_path / "events.jsonl"), VirtualClock()
    executor = VirtualExecutor(1, clock, seconds=lambda job: 2.0, finish=lambda job: None)
    with pytest.raises(KeyboardInterrupt), counted(executor, 1, log, clock):
        executor.submit(Job(name="0", kind="train", arguments={}))
        executor.wait(1.0)
        raise KeyboardInterrupt
    for damaged in ({"busy": "much"}, {"busy": 1.0}, {"busy": -1.0, "present": 3.0}, {"busy": 1.0, "present": 0.0}):
        log.append("workers", **damaged)
    assert utilisation(log.path) == Utilisation(busy=2, present=2)
