from pathlib import Path

import pytest
from eval_maker import block_network, make_tasks


@pytest.fixture(scope="session")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tiny tasks; not to be changed."""
    return make_tasks(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing is fetched."""
    block_network(monkeypatch, tmp_path_factory.mktemp("prepared"))
