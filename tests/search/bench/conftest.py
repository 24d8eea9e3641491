import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bench_fakes import InProcess, write_table


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of 24 rows."""
    return write_table(tmp_path / "tiny.csv")


@pytest.fixture
def executors(monkeypatch: pytest.MonkeyPatch) -> list[InProcess]:
    """Jobs run in this process; the executors that were made."""
    made: list[InProcess] = []

    def make(folder: Path, processes: int) -> InProcess:
        made.append(InProcess(folder))
        return made[-1]

    monkeypatch.setattr("nas_search.search.bench.run.LocalExecutor", make)
    return made
