"""The report while a search runs: there from the beginning, not too often, and never in the way."""

from itertools import pairwise
from pathlib import Path

import pytest
from study_maker import make_study

from nas_search.results.report.live import AT_MOST_EVERY_SECONDS, TIMES_ITS_COST, LiveReport
from nas_search.search.study import Study


class Watch:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Told:
    """An observer that remembers what it was told."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.notes: list[str] = []

    def phase(self, name: str, total: int | None) -> None:
        self.calls.append(f"phase {name}")

    def advance(self, n: int = 1, text: str = "") -> None:
        self.calls.append(f"advance {n}")

    def trial(self, record: object) -> None:
        self.calls.append("trial")

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Times at which the report was written; each writing takes a fifth of a second."""
    times: list[float] = []

    def write(study: Study) -> None:
        times.append(watch.now)
        watch.now += 0.2

    monkeypatch.setattr("nas_search.results.report.live.write_report", write)
    return times


watch = Watch()


@pytest.fixture(autouse=True)
def from_zero() -> None:
    watch.now = 0.0


def live(study: Study) -> tuple[LiveReport, Told]:
    told = Told()
    return LiveReport(told, study.run_dir, watch, watch), told


def test_it_is_there_when_the_search_begins_and_written_again_when_a_trial_ended(
    study: Study, written: list[float]
) -> None:
    report, told = live(study)
    report.phase("table", 100)
    report.advance(3)
    report.phase("search", 24)
    assert written == [0.0]
    watch.now = 1000.0
    report.advance(0, "still training")
    assert written == [0.0]
    report.trial(study.records()[0])
    report.advance(1)
    assert written == [0.0, 1000.0]
    assert told.calls == ["phase table", "advance 3", "phase search", "advance 0", "trial", "advance 1"]


def test_it_takes_a_hundredth_of_the_time_at_the_most(study: Study, written: list[float]) -> None:
    report, _ = live(study)
    report.phase("search", 24)
    while watch.now < 100:
        watch.now += 0.1
        report.trial(study.records()[0])
        report.advance(1)
    pauses = [after - before for before, after in pairwise(written)]
    assert len(written) > 2
    assert min(pauses) >= max(AT_MOST_EVERY_SECONDS, TIMES_ITS_COST * 0.2)


def test_nothing_is_written_while_the_front_is_measured(study: Study, written: list[float]) -> None:
    report, _ = live(study)
    report.phase("search", 24)
    report.trial(study.records()[0])
    report.phase("confirm", 4)
    assert len(written) == 2
    watch.now = 1e6
    report.advance(1, "measured")
    assert len(written) == 2


def test_a_report_that_cannot_be_written_is_told_once_and_stops_nothing(tmp_path: Path) -> None:
    told = Told()
    report = LiveReport(told, tmp_path / "nowhere", watch, watch)
    report.phase("search", 24)
    report.phase("confirm", 4)
    report.stopped()
    assert len(told.notes) == 1 and "could not be written meanwhile" in told.notes[0]


def test_an_interrupted_search_leaves_a_report_that_says_so(tmp_path: Path) -> None:
    study = make_study(tmp_path, proposals=8, confirm=False, unfinished=True)
    report, _ = live(study)
    report.stopped()
    assert not (tmp_path / "report.html").exists()
    report.phase("search", 24)
    (tmp_path / "report.html").unlink()
    report.stopped()
    assert "This run is unfinished" in (tmp_path / "report.html").read_text(encoding="utf-8")
