"""What is said of folders that are no runs."""

from pathlib import Path

import pytest

from nas_search.errors import InputError
from nas_search.search.rundir import CONFIG, read_run


def why_not(path: Path) -> str:
    with pytest.raises(InputError) as refused:
        read_run(path)
    return str(refused.value).removeprefix(f"{path}: not a run directory ")


def make_runs(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).mkdir()
        (folder / name / CONFIG).touch()


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    make_runs(tmp_path, "cpu-1")
    assert why_not(tmp_path) == "(no config.yaml in it)"


def test_where_nothing_is_the_runs_beside_it_are_named(tmp_path: Path) -> None:
    assert why_not(tmp_path / "cpu") == "(there is nothing of that name)"
    assert why_not(tmp_path / "runs" / "cpu") == "(there is nothing of that name)"
    make_runs(tmp_path, "cpu-2", "cpu-1", "two\nlines")
    assert why_not(tmp_path / "cpu") == "(there is nothing of that name; runs beside it: cpu-1, cpu-2)"
    make_runs(tmp_path, "a", "b", "c", "z")
    assert why_not(tmp_path / "cpu") == "(there is nothing of that name; runs beside it: a, b, c, cpu-1, cpu-2, ...)"
