import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from study_maker import make_study

from nas_search.search.study import Study


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A finished study with trials in every state, a confirmed front and a winner; not to be changed."""
    return make_study(tmp_path_factory.mktemp("finished"))
