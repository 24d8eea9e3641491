"""Networks of ours, and the same as transformers loads them."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from exported import Pair, export


@pytest.fixture(scope="session", autouse=True)
def modules_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Transformers copies modelling code before it runs it: not into the user's home."""
    import transformers.dynamic_module_utils as dynamic

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dynamic, "HF_MODULES_CACHE", str(tmp_path_factory.mktemp("modules")))
        patch.setattr(sys, "path", list(sys.path))
        yield


@pytest.fixture(scope="session")
def pair(modules_cache: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Pair]:
    """The network of a notation; not to be changed."""
    made: dict[str, Pair] = {}

    def get(notation: str, **fields: Any) -> Pair:
        key = f"{notation} {sorted(fields)}"
        if key not in made:
            made[key] = export(notation, tmp_path_factory.mktemp("exported"), **fields)
        return made[key]

    return get
