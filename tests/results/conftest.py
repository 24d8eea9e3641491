import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from study_maker import make_study

from nas_search.proxies.twin import TwinRule
from nas_search.search.study import Study


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A finished study with trials in every state, a confirmed front and a winner; not to be changed."""
    return make_study(tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A finished study with three objectives, one of them a throughput, and a limit on memory beside the budget."""
    return make_study(
        tmp_path_factory.mktemp("three"), objectives=["loss", "throughput:1024"], limits=["memory:1024<=3MiB"]
    )


@pytest.fixture(scope="session")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A finished study of twins for a device that is not here, by a table of it."""
    twins = TwinRule(widths={64: 32, 96: 64, 128: 96, 192: 128, 256: 160}, vocabulary=256)
    return make_study(tmp_path_factory.mktemp("remote"), elsewhere="table", twins=twins, vocabulary=1000)
