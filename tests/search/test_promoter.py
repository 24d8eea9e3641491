from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from nas_search.search.config import SearchConfig
from nas_search.search.journal import Candidate
from nas_search.search.learning_curves import Forecast
from nas_search.search.problem import SearchProblem
from nas_search.search.promoter import Promoter
from nas_search.search.rungs import Ladder
from nas_search.search.simulation.search_table import RungColumns, SearchTable
from nas_search.search.simulation.simulate import simulate

WORKERS, TRIALS = 3, 40
LADDER = Ladder((100, 300, 900))
# Ever faster, and ever better on the first rung; what comes of it differs.
LOSSES = [
    (4.0 - 0.01 * row, 3.5 - 0.01 * row, (3.2 if row % 3 else 3.4) - 0.01 * row + 0.002 * (row % 5))
    for row in range(TRIALS)
]


@pytest.fixture(scope="module")
def problem() -> SearchProblem:
    rows = pd.DataFrame(
        {"row": range(TRIALS), "ms": np.linspace(9.0, 1.0, TRIALS), "loss": [one[-1] for one in LOSSES]}
    )
    return SearchTable.of(rows, ("row",), loss="loss", latency="ms").problem()


def promoter(problem: SearchProblem, *, deterministic: bool, workers: int = WORKERS) -> Promoter:
    config = SearchConfig.checked({"workers": workers, "deterministic": deterministic, "seed": 0})
    return Promoter(problem, LADDER, config)


def candidate(problem: SearchProblem, row: int) -> Candidate:
    (prospect,) = problem.members.prospects([(row,)])
    return Candidate(
        genome={"row": row},
        architecture=prospect.architecture,
        fingerprint=prospect.fingerprint,
        parameters=prospect.parameters,
        latency_ms=prospect.figures["prefill:1"],
        figures=prospect.figures,
        over={},
        fate="train",
    )


def tell(to: Promoter, problem: SearchProblem, rows: Sequence[int]) -> None:
    for row in rows:
        to.told(candidate(problem, row), LOSSES[row])


def forecasts(by: Promoter, problem: SearchProblem, index: int) -> list[Forecast | None]:
    """What it says of hopeless candidates that are not slow, as proposal ``index``."""
    return [by.stop(candidate(problem, row), (4.5,), index) for row in range(5)]


def test_without_trials_nobody_stops(problem: SearchProblem) -> None:
    assert forecasts(promoter(problem, deterministic=False), problem, 0) == [None] * 5


@pytest.mark.parametrize("index", [2, 3, 10, 30])
def test_a_deterministic_decision_sees_the_proposals_up_to_n_minus_w(problem: SearchProblem, index: int) -> None:
    ours = promoter(problem, deterministic=True)
    told = max(index - WORKERS + 1, 0)
    tell(ours, problem, range(told))
    first = forecasts(ours, problem, index)
    for later in range(told, index):
        tell(ours, problem, [later])
        assert forecasts(ours, problem, index) == first
    by_then = promoter(problem, deterministic=False)
    tell(by_then, problem, range(told))
    assert first == forecasts(by_then, problem, index)


def test_the_next_proposal_sees_one_more(problem: SearchProblem) -> None:
    ours = promoter(problem, deterministic=True)
    tell(ours, problem, range(20))
    # As proposals 20, 21 and 22; the share that goes up regardless has none of them.
    said = [forecasts(ours, problem, index) for index in (20, 21, 22)]
    assert all(forecast is not None for ones in said for forecast in ones)
    assert said[0] != said[1] != said[2]


def test_otherwise_everything_that_was_told_counts(problem: SearchProblem) -> None:
    ours = promoter(problem, deterministic=False)
    tell(ours, problem, range(20))
    before = forecasts(ours, problem, 20)
    tell(ours, problem, range(20, 22))
    assert forecasts(ours, problem, 20) != before


def test_a_new_one_that_is_told_the_same_decides_the_same(problem: SearchProblem) -> None:
    one, other = promoter(problem, deterministic=True), promoter(problem, deterministic=True)
    tell(one, problem, range(25))
    forecasts(one, problem, 25)
    tell(other, problem, range(25))
    assert forecasts(one, problem, 26) == forecasts(other, problem, 26)


def test_trials_without_a_loss_teach_nothing_but_have_their_turn(problem: SearchProblem) -> None:
    ours = promoter(problem, deterministic=True, workers=1)
    tell(ours, problem, range(10))
    before = forecasts(ours, problem, 10)
    ours.told(candidate(problem, 0), ())
    assert forecasts(ours, problem, 11) == before


def test_a_deterministic_search_stops_the_same_however_long_training_takes() -> None:
    def states(seed: int) -> list[tuple[str, str]]:
        names = [f"loss_{tokens}" for tokens in LADDER.tokens]
        rows = pd.DataFrame(LOSSES, columns=names)
        rows["row"], rows["ms"] = range(TRIALS), np.linspace(9.0, 1.0, TRIALS)
        rows["seconds"] = np.random.default_rng(seed).uniform(1, 1000, TRIALS)
        rungs = tuple(map(RungColumns, LADDER.tokens, names))
        table = SearchTable(rows, ("row",), "ms", rungs, "seconds")
        replay = simulate(table, "random", trials=30, seed=1, workers=WORKERS, deterministic=True)
        return [(record.fingerprint, record.state) for record in replay.records]

    assert states(0) == states(1)
    assert {"complete", "stopped"} == {state for _, state in states(0)}
