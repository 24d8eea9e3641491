import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.extend(
    str(Path(__file__).parents[1] / name) for name in ("docs", "results", "cli", "profiler", "../docs/hooks")
)

from cuda_fakes import FakeDriver
from doc_pages import ROOT
from doc_workspace import make_workspace

from nas_search.space.operators.registry import operator_types

EXAMPLE = ROOT / "experiments" / "example-operator"


@pytest.fixture(scope="module")
def h100() -> Iterator[None]:
    """A machine with an H100, for ``--device cuda``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nas_search.profiler.cuda.torch_driver.TorchDriver", FakeDriver)
        yield


@pytest.fixture(scope="module")
def workspace(h100: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which commands of the documents find what they talk about."""
    return make_workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture
def example_operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package of ``docs/extending.md`` as if it were installed."""
    announced = tmp_path / "site" / "nas_search_mingru-0.1.0.dist-info"
    announced.mkdir(parents=True)
    (announced / "METADATA").write_text("Metadata-Version: 2.1\nName: nas-search-mingru\nVersion: 0.1.0\n")
    (announced / "entry_points.txt").write_text("[nas_search.operators]\nmingru = nas_search_mingru.spec:MinGRU\n")
    monkeypatch.syspath_prepend(EXAMPLE)
    monkeypatch.syspath_prepend(announced.parent)
    operator_types.cache_clear()
    yield
    operator_types.cache_clear()
