"""Reading a study needs no torch, and starting needs neither plotly nor pandas."""

import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"


@pytest.mark.parametrize(
    "module", ["report", "winner", "table", "strip", "card", "limits", "benchmark", "compare_runs"]
)
def test_heavy_packages_are_imported_when_they_are_used(module: str) -> None:
    code = f"import sys; sys.path.insert(0, {str(SOURCE)!r}); import nas_search.results.{module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "plotly", "pandas", "pyarrow"} & set(loaded)
