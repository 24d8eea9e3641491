"""The package as people import it."""

import subprocess
import sys

import pytest

import nas_search


@pytest.mark.parametrize("before", ["", "import nas_search.search.config; "])
def test_search_is_a_package_that_can_be_called(before: str) -> None:
    code = f"{before}import nas_search; nas_search.search(device='abacus')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "InputError: unknown device 'abacus'" in done.stderr


def test_importing_costs_nothing() -> None:
    code = "import sys, nas_search\nprint(sorted({'torch', 'pandas', 'optuna', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_everything_public_is_there() -> None:
    for name in nas_search.__all__:
        assert getattr(nas_search, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="frobnicate"):
        _ = nas_search.frobnicate
