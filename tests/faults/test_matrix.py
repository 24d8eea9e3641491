"""A part of the fault matrix, which experiments/faults/matrix.py plays as a whole: one cell of every sort."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FAULTS = Path(__file__).parents[2] / "experiments" / "faults"
PART = (
    "kill -9 of the driver / table recorded (fake, recording)",
    "kill -9 of the driver / between rungs",
    "kill -9 of the driver / filling the winner",
    "kill -9 of a worker / writing a result",
    "three deaths at a candidate / mid-rung, second rung (fake, one worker)",
    "SIGINT / at tell",
    "SIGTERM / confirm, training",
    "disk full, injected / at tell",
    "write cut after 20 bytes / at tell",
    "EIO / writing a result",
    "flipped bit in a result / between rungs",
    "truncated configuration / at tell",
    "clock jumps by hours / all along",
    "a second search in the same directory / mid-rung",
)


@pytest.fixture(scope="module")
def matrix() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(FAULTS), *sys.path])
        import matrix

        yield matrix


@pytest.fixture(scope="module")
def verdicts(matrix: Any) -> dict[str, Any]:
    """All are played once, two at a time."""
    cells = [cell for cell in matrix.CELLS if cell.name in PART]
    return {verdict.name: verdict for verdict in matrix.play_all(cells, jobs=2)}


@pytest.mark.parametrize("name", PART)
def test_a_cell(verdicts: dict[str, Any], name: str) -> None:
    assert verdicts[name].problems == {}
    assert verdicts[name].skipped == ""


def test_the_matrix_has_the_cells_that_it_should(matrix: Any) -> None:
    names = [cell.name for cell in matrix.CELLS]
    assert len(names) == len(set(names)) >= 40
    assert sum(cell.kind.name.startswith("real") for cell in matrix.CELLS) >= 10


def test_what_is_asked_for_and_is_not_there(matrix: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert matrix.main(["--only", "earthquake"]) == 2
    assert "no cell is called like 'earthquake'" in capsys.readouterr().err


def test_a_cell_that_goes_wrong_is_told(matrix: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A moment that never comes, and an end that is another than expected."""
    from cell import Cell, Fault, Moment, Sitting
    from kinds import FAKE

    never = Moment("never", "driver", "open", "^no such file$")
    cell = Cell("nothing", never.name, FAKE, (Sitting((Fault("kill", never),), -9),))
    (verdict,) = matrix.play_all([cell], jobs=1)
    assert verdict.state == "fail"
    assert verdict.problems["exit code"] == "the moment did not come"
