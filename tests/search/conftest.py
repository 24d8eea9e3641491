import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from search_fakes import Bench, FakeTable


@pytest.fixture(scope="session")
def text_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def bench(tmp_path: Path, text_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("XDG_CACHE_HOME", str(text_cache))
    monkeypatch.setattr("os.fsync", lambda handle: None)  # what a killed process wrote stays; only power cuts differ
    for module in ("table_stage", "study", "latency_source"):
        monkeypatch.setattr(f"nas_search.search.{module}.LatencyTable", FakeTable)
    return Bench(tmp_path)
