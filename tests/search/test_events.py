import time
from pathlib import Path

import pytest

from nas_search.search import events
from nas_search.search.events import EventLog, Stopwatch, read_events, seconds_by_phase


def test_events_survive_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    EventLog(path).append("first", number=1)
    with path.open("a") as file:
        file.write('{"event": "to')
    EventLog(path).append("second")
    assert [event["event"] for event in read_events(path)] == ["first", "second"]
    assert read_events(tmp_path / "none") == []


def test_every_moment_belongs_to_one_phase(tmp_path: Path) -> None:
    path, now = tmp_path / "events.jsonl", [0.0]
    watch = Stopwatch(EventLog(path), {}, lambda: now[0])
    now[0] += 1.0
    with watch.phase("training"):
        now[0] += 5.0
        with watch.phase("sampling"):
            now[0] += 2.0
        now[0] += 6.0
    now[0] += 3.0
    watch.close()
    assert seconds_by_phase(path) == {"training": 11.0, "sampling": 2.0, "other": 4.0}


def test_the_clock_may_be_another_one(tmp_path: Path) -> None:
    path, now = tmp_path / "events.jsonl", [100.0]
    watch = Stopwatch(EventLog(path), {"training": 50.0}, lambda: now[0])
    with watch.phase("training"):
        now[0] += 3600.0
    with watch.sampling(working=0.25):
        now[0] += 40.0
    assert watch.total_seconds == 3690.0
    watch.close()
    assert seconds_by_phase(path) == {"training": 3610.0, "sampling": 30.0, "other": 0.0}


def test_seconds_add_up_over_sittings(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for _ in range(2):
        watch = Stopwatch(EventLog(path), seconds_by_phase(path))
        with watch.phase("table"):
            time.sleep(0.03)
        watch.close()
    assert seconds_by_phase(path)["table"] >= 0.06
    assert Stopwatch(EventLog(path), seconds_by_phase(path)).total_seconds >= 0.06


def test_proposing_beside_a_busy_worker_is_partly_training(tmp_path: Path) -> None:
    path, now = tmp_path / "events.jsonl", [0.0]
    watch = Stopwatch(EventLog(path), {}, lambda: now[0])
    with watch.sampling(working=0.75):
        now[0] += 8.0
    watch.close()
    assert seconds_by_phase(path) == {"training": 6.0, "sampling": 2.0, "other": 0.0}


def test_no_line_of_the_log_has_negative_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "SAVE_EVERY_SECONDS", 0)
    path = tmp_path / "events.jsonl"
    watch = Stopwatch(EventLog(path), {})
    with watch.sampling(working=0.75):
        time.sleep(0.02)
    watch.close()
    assert all(event["seconds"] >= 0 for event in read_events(path))
