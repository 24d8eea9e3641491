"""The lines of a search on the terminal."""

import io
from pathlib import Path

from rich.console import Console
from study_maker import make_study

from nas_search.cli.observer import TerminalObserver
from nas_search.search.trial import TrialRecord


def line(record: TrialRecord) -> str:
    stream = io.StringIO()
    TerminalObserver(Console(file=stream, width=200)).trial(record)
    return stream.getvalue()


def test_what_is_predicted_is_marked(tmp_path: Path) -> None:
    """Latency before measurement, and the loss of a trial that was stopped."""
    records = {record.state: record for record in make_study(tmp_path).records()}
    for state, mark in (("complete", ""), ("stopped", "≈")):
        record = records[state]
        assert f" ≈{record.latency_ms:.4g} ms " in line(record)
        assert f" {mark}{record.bits_per_byte:.4f} bits/byte " in line(record)
    assert "bits/byte" not in line(records["over_limit"])


def test_architectures_stand_below_each_other(tmp_path: Path) -> None:
    records = make_study(tmp_path).records()
    assert len({line(record).index(record.architecture) for record in records}) == 1
