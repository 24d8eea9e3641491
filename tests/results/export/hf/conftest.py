"""Networks of ours, and the same as transformers loads them."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from exported import Pair, export


@pytest.fixture(autouse=True)
def _no_code_in_the_home(modules_cache: None) -> None:
    """Whatever is loaded here brings its modelling code."""


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
