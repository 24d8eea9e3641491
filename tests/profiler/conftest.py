import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from profiler_fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
