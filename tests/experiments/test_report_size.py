"""The made-up study of the benchmark is one that every command can show."""

import sys
from pathlib import Path

import pytest

from nas_search.results.report import write_report
from nas_search.search.study import Study

BENCHMARKS = Path(__file__).parents[2] / "experiments" / "benchmarks"


def test_the_made_up_study_has_its_trials_and_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import report_size

    folder = report_size.make_study(tmp_path / "run", 20)
    study = Study.open(folder)
    assert sum(record.trained_here for record in study.records()) == 20
    assert {record.state for record in study.records()} >= {"complete", "stopped"}
    assert study.winner() is not None
    html = write_report(study).read_text(encoding="utf-8")
    assert "Winner: " in html and "unfinished" not in html
