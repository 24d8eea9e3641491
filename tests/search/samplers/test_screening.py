"""Children that a model of the loss prefers are better than those that it does not."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial
from sampler_cases import LIMITED, problem_of, random_history, study_of, told

from nas_search.search.front import hypervolume
from nas_search.search.problem import Prospect, SearchProblem
from nas_search.search.samplers.base import History
from nas_search.search.samplers.evolution.screening import most_promising
from nas_search.search.simulation.search_table import SearchTable
from nas_search.space.genome import Genome

ROWS = pd.DataFrame(list(product(range(4), repeat=4)), columns=list("abcd"))
ROWS["ms"] = 1 + ROWS["a"] + 0.6 * ROWS["b"] + 0.3 * ROWS["c"] + 0.5 * ROWS["d"]
ROWS["loss"] = 4 - 0.3 * np.sqrt(ROWS["a"]) - 0.4 * np.sqrt(ROWS["b"]) - 0.2 * ROWS["c"] - 0.1 * ROWS["d"]
TABLE = SearchTable.of(ROWS, list("abcd"), loss="loss", latency="ms")
REFERENCE = (9.0, 4.5)


def loss(genome: Genome) -> float:
    """The true one, which the model does not see."""
    return float(TABLE.losses[TABLE.members.space.row(genome), 0])


def halves(problem: SearchProblem, seed: int) -> tuple[list[FrozenTrial], list[Prospect]]:
    """Twenty members that are told, and twenty others within the limit."""
    rng = np.random.default_rng(seed)
    genomes = [problem.members.space.genomes[row] for row in rng.permutation(len(ROWS))]
    inside = [one for one in problem.members.prospects(genomes) if not problem.goals.excess(one.figures)]
    return [told(problem, one.genome, i, loss=loss(one.genome)) for i, one in enumerate(inside[:20])], inside[20:40]


def chosen(problem: SearchProblem, trials: list[FrozenTrial], children: list[Prospect]) -> Prospect:
    study = study_of(problem, trials, RandomSampler())
    trial_id = study._storage.create_new_trial(study._study_id)
    names = [gene.name for gene in problem.space.genes]
    history = History(study, study._storage.get_trial(trial_id), names)
    return most_promising(children, history, problem, np.random.default_rng(0))


@pytest.mark.parametrize("seed", range(3))
def test_under_a_limit_a_child_of_low_loss(seed: int) -> None:
    problem = TABLE.problem(latency_limit=5.0)
    trials, children = halves(problem, seed)
    losses = [loss(child.genome) for child in children]
    assert loss(chosen(problem, trials, children).genome) <= np.quantile(losses, 0.25)


def test_without_a_limit_children_that_add_hypervolume() -> None:
    """On average over five histories at least twice what a child adds that is drawn from the same ones."""
    problem = TABLE.problem()
    latency = problem.goals.main.name
    gains: list[list[float]] = []
    picked: list[float] = []
    for seed in range(5):
        trials, children = halves(problem, seed)
        front = [tuple(trial.values) for trial in trials]
        points = {child.genome: (child.figures[latency], loss(child.genome)) for child in children}
        gained = {genome: hypervolume([*front, point], REFERENCE) for genome, point in points.items()}
        gains.append([value - hypervolume(front, REFERENCE) for value in gained.values()])
        picked.append(gained[chosen(problem, trials, children).genome] - hypervolume(front, REFERENCE))
    assert np.mean(picked) > 2 * np.mean(gains) > 0


def test_before_anything_was_trained_the_first_child() -> None:
    problem = problem_of(LIMITED.with_budget(None))
    nothing = [trial for trial in random_history(problem, 30) if trial.values[0] > 1.5]
    children = problem.members.prospects([problem.space.sample(np.random.default_rng(seed)) for seed in range(4)])
    assert nothing and chosen(problem, nothing, children) == children[0]
