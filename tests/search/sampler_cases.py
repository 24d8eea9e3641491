"""What the tests of samplers share: problems, histories of every kind, and one proposal of a sampler."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState, create_trial
from search_fakes import FakeTable, fake_accuracy, fake_loss

from nas_search.search.goals import Goals
from nas_search.search.journal import OUTCOME
from nas_search.search.problem import Prospect, SearchProblem
from nas_search.search.proposer import sample_params
from nas_search.search.samplers.base import distributions
from nas_search.search.samplers.factory import make_sampler
from nas_search.search.samplers.names import sampler_names
from nas_search.search.samplers.options import SamplerOptions
from nas_search.search.space_members import SpaceMembers
from nas_search.space.architecture import Architecture
from nas_search.space.genome import Genome
from nas_search.space.search_space import SearchSpace, load_space

SPACE = load_space("cpu").with_vocabulary(256)
PENALTY_LOSS = 8.0
TWO = Goals.stored(("decode:256", "loss"), ())
LIMITED = TWO.with_budget(1.5)
THREE = Goals.stored(("decode:256", "loss", "throughput:256"), ("memory:256<=2MiB", "throughput:256>=3000"))
RECALL = Goals.stored(("decode:256", "loss", "recall"), ("decode:256<=5ms", "needle:64>=0.4"))
FOUR = Goals.stored(("decode:256", "loss", "throughput:256", "parameters"), ())


class Form(NamedTuple):
    """A sampler of the factory with options under which it works fully after a dozen trials."""

    name: str
    options: SamplerOptions = SamplerOptions()


SMALL: dict[str, Any] = {"population": 5, "sample_size": 3, "cycle": 1}
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "evolution": [SMALL, SMALL | {"crossover": 0.5}, SMALL | {"cycle": 4}, SMALL | {"screened": 8}],
    "nsga2": [{"population": 5}],
}
SLOW = frozenset({"gp"})


def _cases() -> list[Any]:
    """Every sampler of the factory, evolution in its forms; the slow ones are marked."""
    return [
        pytest.param(
            Form(name, SamplerOptions.model_validate(options)),
            id="-".join([name, *(f"{key}={value}" for key, value in options.items() if SMALL.get(key) != value)]),
            marks=pytest.mark.slow if name in SLOW else [],
        )
        for name in sampler_names()
        for options in OPTIONS.get(name, [{}])
    ]


CASES = _cases()


def problem_of(goals: Goals = TWO, space: SearchSpace = SPACE) -> SearchProblem:
    """A search of ``space`` with latencies by the fake table."""
    return SearchProblem(SpaceMembers(space, goals, FakeTable.of(space).predict_many), goals, PENALTY_LOSS)


def told(
    problem: SearchProblem,
    genome: Genome,
    index: int,
    *,
    loss: float | None = None,
    state: TrialState = TrialState.COMPLETE,
    number: int | None = None,
) -> FrozenTrial:
    """The trial of a proposal as a search stores it: by the fake loss, over a limit the penalty."""
    (prospect,) = problem.members.prospects([genome])
    if loss is None:
        loss = fake_loss(Architecture.parse(prospect.architecture), 65_536)
    over = problem.goals.excess(prospect.figures) > 0
    recalls = {} if over else {task.name: _accuracy(prospect, task.name) for task in problem.goals.recalls}
    figures = prospect.figures | dict.fromkeys((task.name for task in problem.goals.recalls), 0.0) | recalls
    if problem.goals.excess(figures):
        loss = problem.penalty_loss
    genes = problem.space.genes
    outcome = {"recalls": {name: {"accuracies": [accuracy]} for name, accuracy in recalls.items()}}
    return create_trial(
        state=state,
        values=problem.goals.values(figures, loss) if state == TrialState.COMPLETE else None,
        params={gene.name: value for gene, value in zip(genes, prospect.genome, strict=True)},
        distributions=distributions(genes),
        user_attrs={"proposal_index": index} | ({OUTCOME: outcome} if recalls and state.is_finished() else {}),
        constraints=problem.goals.over(figures) or None,
    )


def _accuracy(prospect: Prospect, task: str) -> float:
    return fake_accuracy(Architecture.parse(prospect.architecture), task, 0)


def random_history(problem: SearchProblem, count: int, seed: int = 0, **changes: Any) -> list[FrozenTrial]:
    """Random members, all told."""
    rng = np.random.default_rng(seed)
    return [told(problem, problem.space.sample(rng), index, **changes) for index in range(count)]


def mixed_history(problem: SearchProblem) -> list[FrozenTrial]:
    """Twelve that are told, then a failed one, two that run, and a duplicate of each of the first two."""
    rng = np.random.default_rng(1)
    trials = random_history(problem, 12)
    states = (TrialState.FAIL, TrialState.RUNNING, TrialState.RUNNING)
    trials += [told(problem, problem.space.sample(rng), 12 + i, state=state) for i, state in enumerate(states)]
    first = [tuple(trial.params[gene.name] for gene in problem.space.genes) for trial in trials[:2]]
    return trials + [told(problem, genome, 15 + i) for i, genome in enumerate(first)]


def study_of(problem: SearchProblem, trials: Sequence[FrozenTrial], sampler: BaseSampler) -> optuna.Study:
    """A study in memory with these trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    directions = ["maximize" if quantity.higher_is_better else "minimize" for quantity in problem.goals.objectives]
    study = optuna.create_study(directions=directions, sampler=sampler)
    for trial in trials:
        study._storage.create_new_trial(study._study_id, template_trial=trial)
    return study


def sample(study: optuna.Study, problem: SearchProblem) -> dict[str, Any]:
    """What the study's sampler proposes next; the proposal's trial stays in the study, running."""
    trial_id = study._storage.create_new_trial(study._study_id)
    return sample_params(study, study._storage.get_trial(trial_id), problem.space)


def propose(
    form: Form, problem: SearchProblem, trials: Sequence[FrozenTrial], *, index: int | None = None, seed: int = 0
) -> Genome:
    """The next proposal after ``trials``, whose index is their number unless it is given."""
    index = len(trials) if index is None else index
    sampler = make_sampler(form.name, problem, form.options, seed=seed, proposal_index=index)
    params = sample(study_of(problem, trials, sampler), problem)
    return tuple(params[gene.name] for gene in problem.space.genes)


def is_genome(genome: Genome, problem: SearchProblem) -> bool:
    """Whether it has a choice for each gene."""
    genes = problem.space.genes
    return len(genome) == len(genes) and all(value in gene.choices for value, gene in zip(genome, genes, strict=True))
