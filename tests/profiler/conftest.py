import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from meter_fakes import FakeMeter


@pytest.fixture
def meter() -> FakeMeter:
    return FakeMeter()


@pytest.fixture(scope="module")
def no_collections() -> Iterator[None]:
    """A garbage collection takes longer than a whole simulated session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nas_search.profiler.timing.garbage_collector_off", nullcontext)
        yield
