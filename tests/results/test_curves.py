"""Learning curves, from the files that trainings leave."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from study_maker import make_study

from nas_search.results.report.curves import POINTS, learning_curves, thinned
from nas_search.results.view import RunView


@given(st.lists(st.floats(0.5, 10), min_size=1, max_size=700))
def test_a_thinned_curve_ends_where_the_training_ended(losses: list[float]) -> None:
    curve = thinned("search", [(512 * (step + 1), loss) for step, loss in enumerate(losses)])
    assert len(curve.tokens) == len(curve.losses) <= POINTS
    assert curve.tokens[-1] == 512 * len(losses)
    assert min(losses) - 1e-3 <= min(curve.losses) <= max(curve.losses) <= max(losses) + 1e-3


def test_curves_of_the_search_and_of_each_seed(tmp_path: Path) -> None:
    view = RunView.of(make_study(tmp_path, proposals=12))
    winner = view.winner
    assert winner is not None and winner.confirmed is not None
    (tmp_path / "jobs").mkdir()
    write(tmp_path, f"{winner.fingerprint}-rung{winner.rung}", [[100, 3.0], [200, 2.5]])
    write(tmp_path, f"{winner.fingerprint}-confirm-{winner.confirmed.tokens}-seed1", [[100, 2.9]])
    (tmp_path / "jobs" / f"{winner.fingerprint}-confirm-{winner.confirmed.tokens}-seed2.json").write_text("{torn")
    (curves,) = learning_curves(view).values()
    assert [curve.name for curve in curves] == ["search", "confirmed, seed 1"]
    assert curves[0].losses == (3.0, 2.5)


def test_a_run_without_its_jobs_has_none(tmp_path: Path) -> None:
    assert learning_curves(RunView.of(make_study(tmp_path, proposals=12))) == {}


def write(folder: Path, name: str, curve: list[list[float]]) -> None:
    (folder / "jobs" / f"{name}.json").write_text(json.dumps({"result": {"curve": curve}}))
