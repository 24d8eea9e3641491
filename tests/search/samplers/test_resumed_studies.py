"""A study that is cut anywhere goes on with the same proposals, whatever proposes (one worker)."""

from pathlib import Path

import pandas as pd
import pytest
from optuna.storages import JournalStorage
from sampler_cases import CASES, Form
from table_fakes import GENES, essence, frame, table

from nas_search.search.journal_file import writable_storage
from nas_search.search.samplers.options import SamplerOptions
from nas_search.search.simulation.search_table import SearchTable
from nas_search.search.simulation.simulate import Replay, simulate

TRIALS = 12
LIMIT_MS = 12.0
EVOLUTION = Form("evolution", SamplerOptions(population=3, sample_size=2, cycle=1))


def search(form: Form, made: SearchTable, trials: int, storage: JournalStorage | None = None) -> Replay:
    return simulate(
        made, form.name, options=form.options, trials=trials, seed=3, latency_limit=LIMIT_MS, storage=storage
    )


def troubled() -> pd.DataFrame:
    """Every seventh row fails; a quarter of the rows are over the limit."""
    rows = frame()
    rows.loc[::7, "loss"] = float("nan")
    assert 0.1 < (rows["ms"] > LIMIT_MS).mean() < 0.4
    return rows


@pytest.mark.parametrize("form", CASES)
def test_a_study_that_is_cut_at_every_trial(form: Form, tmp_path: Path) -> None:
    """Each sitting trains one candidate more and knows nothing but what is in the journal."""
    made = table(troubled())
    undisturbed = search(form, made, TRIALS)
    for trials in range(1, TRIALS + 1):
        cut = search(form, made, trials, writable_storage(tmp_path / "study.journal"))
        assert essence(cut) == essence(undisturbed)[: len(cut.records)]
    assert essence(cut) == essence(undisturbed)
    assert {record.state for record in cut.records} >= {"complete", "failed"}


def test_a_study_that_is_killed_between_any_two_lines(tmp_path: Path) -> None:
    made = table(troubled())
    whole = tmp_path / "whole.journal"
    undisturbed = search(EVOLUTION, made, 6, writable_storage(whole))
    lines = whole.read_bytes().splitlines(keepends=True)
    assert len(lines) > 6 * (2 + len(GENES))
    for count in range(len(lines)):
        path = tmp_path / "cut.journal"
        path.write_bytes(b"".join(lines[:count]))
        assert essence(search(EVOLUTION, made, 6, writable_storage(path))) == essence(undisturbed)
