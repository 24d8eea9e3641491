"""Runs with the weights that training would have left."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import save_file
from study_maker import make_study

from nas_search.proxies.twin import TwinRule
from nas_search.search.study import Study
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM

TWINS = TwinRule(widths={64: 32, 96: 64, 128: 96, 192: 128, 256: 160}, vocabulary=256)


def save_confirmed_weights(study: Study) -> None:
    """For each confirmed trial those of a seed of its own."""
    for record in study.confirmed_front():
        assert record.confirmed is not None
        path = study.run_dir / record.confirmed.best.weights
        path.parent.mkdir(exist_ok=True)
        model = HybridLM(Architecture.parse(record.trained_as), seed=record.number)
        save_file({name: weight.detach().contiguous() for name, weight in model.named_parameters()}, path)


@pytest.fixture(scope="session")
def kept_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; not to be changed."""
    study = make_study(tmp_path_factory.mktemp("kept"))
    save_confirmed_weights(study)
    return study.run_dir


@pytest.fixture(scope="session")
def twin_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose candidates were too big to train; not to be changed."""
    study = make_study(tmp_path_factory.mktemp("twins"), elsewhere="table", twins=TWINS, vocabulary=1000)
    save_confirmed_weights(study)
    return study.run_dir


@pytest.fixture
def run(kept_run: Path, tmp_path: Path) -> Path:
    """A finished run, to be changed."""
    return shutil.copytree(kept_run, tmp_path / "run")


@pytest.fixture(scope="session")
def unfinished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was interrupted before anything was confirmed."""
    return make_study(tmp_path_factory.mktemp("unfinished"), confirm=False, unfinished=True).run_dir


@pytest.fixture(scope="session")
def hopeless_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run none of whose proposals was within the limit."""
    return make_study(tmp_path_factory.mktemp("hopeless"), limit_ms=1e-6, proposals=8).run_dir


@pytest.fixture
def contents() -> Callable[[Path], dict[str, bytes]]:
    """All files below a folder, by their paths."""

    def read(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    return read
