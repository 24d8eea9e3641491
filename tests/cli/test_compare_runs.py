"""``nas-search compare-runs`` on runs of the fake search."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs of the same question."""
    from study_maker import make_study

    folder = tmp_path_factory.mktemp("runs")
    for name, proposals in (("a", 20), ("b", 10)):
        (folder / name).mkdir()
        make_study(folder / name, proposals=proposals, confirm=False)
    return folder / "a", folder / "b"


def test_a_table_for_people_and_a_document_for_machines(nas_search: Cli, runs: tuple[Path, Path]) -> None:
    outcome = nas_search("compare-runs", *runs)
    assert outcome.code == 0
    assert "Hypervolumes go up to 1.000 ms/token, 8.000 bits per byte." in outcome.out
    document = nas_search("compare-runs", *runs, "--json").document
    assert [run["run"] for run in document["runs"]] == list(map(str, runs))
    assert document["equal_cost"]["seconds"] == min(run["cost"]["seconds"] for run in document["runs"])
    for run in document["runs"]:
        assert run["hypervolume_at_equal_cost"]["tokens"] <= run["hypervolume"]


def test_a_page_is_written_when_asked_for(nas_search: Cli, runs: tuple[Path, Path], tmp_path: Path) -> None:
    assert nas_search("compare-runs", *runs, "--html", tmp_path / "both.html").code == 0
    assert "Runs compared" in (tmp_path / "both.html").read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == [tmp_path / "both.html"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "RUN"),
        (["{a}"], "two runs or more"),
        (["{a}", "{a}"], "given twice"),
        (["{a}", "nowhere"], "not a run directory"),
        (["{a}", "{b}", "--html", "/nowhere/x.html"], "cannot be written"),
    ],
)
def test_bad_input_is_one_line(nas_search: Cli, runs: tuple[Path, Path], arguments: list[str], message: str) -> None:
    outcome = nas_search("compare-runs", *(text.format(a=runs[0], b=runs[1]) for text in arguments))
    assert outcome.code == 2
    assert message in outcome.err.strip().splitlines()[-1]
    assert outcome.out == ""
