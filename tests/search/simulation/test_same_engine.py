"""A simulated search finds what a search with workers, files and a real clock finds, for the same losses."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from search_fakes import FAKES, InlineExecutor, Recorder
from table_fakes import essence, frame, laddered

from nas_search.proxies.recipe import TrainingRecipe
from nas_search.search.config import SearchConfig
from nas_search.search.events import EventLog, Stopwatch, read_events
from nas_search.search.jobs import JOBS_FOLDER, JobFunction
from nas_search.search.journal import StudyJournal
from nas_search.search.journal_file import writable_storage
from nas_search.search.loop import SearchLoop
from nas_search.search.proposer import Proposer
from nas_search.search.samplers.base import distributions
from nas_search.search.samplers.factory import sampler_maker
from nas_search.search.samplers.options import SamplerOptions
from nas_search.search.simulation.search_table import SearchTable
from nas_search.search.simulation.simulate import simulate
from nas_search.search.training import Training

LIMIT_MS = 12.0


def some_fail() -> SearchTable:
    rows = frame()
    rows.loc[::7, "loss"] = np.nan
    rows.loc[::11, "loss_100"] = np.nan
    return laddered(rows)


def training_by(table: SearchTable) -> JobFunction:
    """Training whose results stand in a table."""
    rows = {
        prospect.architecture: row for row, prospect in enumerate(table.members.prospects(table.members.space.genomes))
    }

    def train(arguments: Mapping[str, Any], run_dir: Path, progress: Any) -> dict[str, Any]:
        row, rung = rows[arguments["architecture"]], arguments["rung"]
        loss = float(table.losses[row, rung])
        return {
            "rung": rung,
            "tokens": arguments["rungs"][rung],
            "bits_per_byte": None if np.isnan(loss) else loss,
            "seconds": float(table.seconds[row, rung]),
            "curve": [],
            "failure": "the table has no loss" if np.isnan(loss) else None,
        }

    return train


@pytest.mark.parametrize(
    ("sampler", "options"),
    [("random", {}), ("evolution", {"population": 4, "sample_size": 2}), ("tpe", {}), ("nsga2", {"population": 5})],
)
@pytest.mark.parametrize("workers", [1, 3])
def test_a_simulation_is_the_real_engine(
    tmp_path: Path, workers: int, sampler: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", lambda handle: None)
    table, settings = some_fail(), SamplerOptions(**options)
    (tmp_path / JOBS_FOLDER).mkdir()
    config = SearchConfig(trials=30, seed=4, workers=workers, deterministic=True, proposals=600)
    problem = table.problem(LIMIT_MS)
    log = EventLog(tmp_path / "events.jsonl")
    observer = Recorder()
    observer.phase("search", config.trials)
    real = SearchLoop(
        config,
        StudyJournal(writable_storage(tmp_path / "study.journal"), distributions(problem.space.genes), problem.goals),
        Proposer(problem, sampler_maker(sampler, settings), config.seed),
        Training(tmp_path, tmp_path / "corpus", TrainingRecipe.model_validate({}), table.ladder, "cpu"),
        executor=InlineExecutor(tmp_path, workers, functions=FAKES | {"train": training_by(table)}, order=1),
        observer=observer,
        log=log,
        watch=Stopwatch(log, {}),
    )
    real.run()
    replay = simulate(
        table,
        sampler,
        options=settings,
        trials=30,
        seed=4,
        workers=workers,
        deterministic=True,
        latency_limit=LIMIT_MS,
    )
    assert [record.model_dump(exclude={"finished_at"}) for record in observer.trials] == essence(replay)
    assert {"complete", "stopped", "failed"} <= {record.state for record in replay.records}
    told = [event for event in read_events(log.path) if event["event"] == "trial"]
    assert len(told) == len(replay.records)
