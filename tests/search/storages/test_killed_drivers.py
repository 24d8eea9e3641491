"""Driver processes that are killed again and again: a small run of ``experiments/faults/drivers.py``."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from postgres import server_binaries

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["sqlite", "postgresql"])
def test_nothing_is_lost_and_nothing_done_twice(storage: str) -> None:
    if storage == "postgresql" and server_binaries() is None:
        pytest.skip("no PostgreSQL server is installed here (no initdb)")
    options = ["--storage", storage, "--trials", "12", "--seconds", "0.8", "--every", "1", "--suspend", "0"]
    done = subprocess.run(
        [sys.executable, ROOT / "experiments" / "faults" / "drivers.py", *options, "--json"],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0 and found["passed"], found
    assert found["kills"] >= 1
    assert found["jobs_repeated"] <= found["kills"]
