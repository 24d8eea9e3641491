"""Where recorded tables are found."""

from pathlib import Path

import pytest

from nas_search.profiler import recorded
from nas_search.profiler.recorded import cache_folder, recorded_device, recorded_tables


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(recorded, "SHIPPED", tmp_path / "shipped")
    return tmp_path


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_nothing_is_recorded_yet(folders: Path) -> None:
    assert recorded_tables() == recorded_tables("h100") == []


def test_those_of_the_package_come_first_and_names_are_compared_as_wholes(folders: Path) -> None:
    shipped = touch(folders / "shipped" / "h100" / "paper.parquet")
    kept = touch(cache_folder() / "h100-0123456789ab.parquet")
    other = touch(cache_folder() / "h100-pcie-0123456789ab.parquet")
    touch(cache_folder() / "notes.txt")
    assert recorded_tables("h100") == [shipped, kept]
    assert recorded_tables("h100-pcie") == [other]
    assert recorded_tables() == [shipped, kept, other]
    assert [recorded_device(path) for path in recorded_tables()] == ["h100", "h100", "h100-pcie"]
