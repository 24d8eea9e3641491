"""A search with nothing faked but the patience of its latency table: real workers, networks, timing and kills."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from search_fakes import TEXT, Recorder, essence

from nas_search.search.config import SearchConfig
from nas_search.search.executors.local import LocalExecutor
from nas_search.search.jobs import FUNCTIONS
from nas_search.search.run import run_search
from nas_search.search.study import Study

pytestmark = pytest.mark.slow

SPACE = """
name: tiny
stages: [early, late]
mixers: [a, m2]
ffn: f
ratios: ["0:1", "1:1"]
ffns: [0, 1]
max_repeats: 2
widths: [32, 64]
max_operators: 4
"""


def quick(run_dir: Path, workers: int) -> LocalExecutor:
    return LocalExecutor(run_dir, workers, functions=FUNCTIONS | {"record_table": "worker_fakes:quick_table"})


@pytest.fixture
def fields(tmp_path: Path, text_cache: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(text_cache))
    (tmp_path / "tiny.yaml").write_text(SPACE)
    (tmp_path / "text.txt").write_text("".join(f"{i} {TEXT}" for i in range(600)))
    return {
        "space": str(tmp_path / "tiny.yaml"),
        "data": str(tmp_path / "text.txt"),
        "workload": "decode:16",
        "trials": 4,
        "tokens": 3 * 2048,
        "lowest_rung": 2048,
        "workers": 2,
        "deterministic": True,
        "confirm_members": 2,
        "confirm_seeds": 2,
        "recipe": {"sequence_length": 64, "batch": 4, "warmup_tokens": 512, "validation_tokens": 1024},
    }


def test_killed_and_undisturbed_runs_find_the_same(fields: dict[str, Any], tmp_path: Path) -> None:
    undisturbed = run_search(SearchConfig.checked(fields), tmp_path / "undisturbed", Recorder(), make_executor=quick)
    again = SearchConfig.checked(fields | {"table": tmp_path / "undisturbed" / "table.parquet"})
    for seconds in (3.0, 5.0):
        child = os.fork()
        if child == 0:
            try:
                run_search(again, tmp_path / "killed", Recorder(), make_executor=quick)
            finally:
                os._exit(0)
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    killed = run_search(again, tmp_path / "killed", Recorder(), make_executor=quick)
    assert essence(killed) == essence(undisturbed)
    for one, other in zip(killed.records(), undisturbed.records(), strict=True):
        scores = [None if record.confirmed is None else record.confirmed.scores for record in (one, other)]
        assert scores[0] == scores[1]
    winner = killed.winner()
    assert winner is not None and winner.confirmed is not None
    latency = winner.confirmed.latency
    assert latency is not None and latency.low <= latency.value <= latency.high
    weights = killed.winner_weights()
    assert weights is not None and weights.stat().st_size > 4 * winner.parameters
    assert Study.open(tmp_path / "killed").seconds["training"] > 0


def test_the_driver_does_not_import_torch(fields: dict[str, Any], tmp_path: Path) -> None:
    script = (
        "import sys, nas_search.search.run, nas_search.search.study, nas_search.search.executors.local\n"
        "import nas_search.search.job_functions, nas_search.search.samplers.evolution.sampler\n"
        "import nas_search.search.samplers.optuna_peers\n"
        "sys.exit('torch' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    assert subprocess.run([sys.executable, "-c", script], env=environment, check=False).returncode == 0
