"""What every sampler of the factory promises, whatever it is and whatever the study has seen."""

from collections.abc import Callable
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState
from sampler_cases import (
    CASES,
    FOUR,
    LIMITED,
    RECALL,
    SPACE,
    THREE,
    TWO,
    Form,
    is_genome,
    mixed_history,
    problem_of,
    propose,
    random_history,
    sample,
    study_of,
    told,
)

from nas_search.errors import InputError
from nas_search.search.goals import Goals
from nas_search.search.problem import SearchProblem
from nas_search.search.samplers.factory import check_sampler, make_sampler
from nas_search.search.samplers.names import sampler_names
from nas_search.search.samplers.options import SamplerOptions
from nas_search.space.search_space import SearchSpace

TINY = SearchSpace(
    name="tiny",
    stages=("only",),
    mixers=("a", "m2"),
    ratios=("0:1",),
    ffns=(0,),
    max_repeats=2,
    widths=(32,),
    max_operators=2,
    vocabulary=256,
)
"""Four members."""
SINGLE = TINY.model_copy(update={"mixers": ("a",), "max_repeats": 1})
DERIVED = SPACE.model_copy(update={"width": "derived"})

each_sampler = pytest.mark.parametrize("form", CASES)


@each_sampler
@pytest.mark.parametrize(
    "goals",
    [
        pytest.param(goals, id=name)
        for name, goals in {"limit": LIMITED, "three": THREE, "four": FOUR, "recall": RECALL}.items()
    ],
)
@pytest.mark.parametrize("count", [0, 1, 15])
def test_a_proposal_is_a_genome_and_a_function_of_history_seed_and_index(form: Form, goals: Goals, count: int) -> None:
    problem = problem_of(goals)
    trials = random_history(problem, count)
    first = propose(form, problem, trials)
    assert is_genome(first, problem)
    assert propose(form, problem, trials) == first
    if form.name not in MAXIMISERS:
        assert any(propose(form, problem, trials, index=count + i) != first for i in range(1, 4))
    if form.name not in MAXIMISERS | {"enumerate"}:
        assert any(propose(form, problem, trials, seed=seed) != first for seed in range(1, 4))


MAXIMISERS = frozenset({"gp", "bayes"})
"""These propose the best by a model: with another seed it may well be the same one."""


@pytest.mark.parametrize(
    "form", [case for case in CASES if case.values[0].name not in {"random", "enumerate", "nsga2"}]
)
def test_another_history_may_change_the_proposal(form: Form) -> None:
    """Random members and those in order look at nothing, and NSGA-II only at trials of its own generations."""
    problem = problem_of()
    proposals = {propose(form, problem, random_history(problem, 15, seed), index=15) for seed in range(4)}
    assert len(proposals) > 1


@each_sampler
@pytest.mark.parametrize("goals", [pytest.param(TWO, id="free"), pytest.param(LIMITED, id="limit")])
def test_failed_running_duplicate_and_over_limit_trials(form: Form, goals: Goals) -> None:
    """They are no obstacle, and the study is as it was but for the new trial."""
    problem = problem_of(goals)
    trials = mixed_history(problem)
    assert goals is TWO or any(trial.values[1] == problem.penalty_loss for trial in trials[:12])
    study = study_of(
        problem, trials, make_sampler(form.name, problem, form.options, seed=0, proposal_index=len(trials))
    )
    before = study.get_trials()
    params = sample(study, problem)
    assert is_genome(tuple(params[gene.name] for gene in problem.space.genes), problem)
    after = study.get_trials()
    assert after[: len(trials)] == before
    assert [trial.state for trial in after[len(trials) :]] == [TrialState.RUNNING]


@each_sampler
def test_trials_are_read_without_copies(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies of all trials are what makes proposals slow in long studies."""
    problem = problem_of()
    sampler = make_sampler(form.name, problem, form.options, seed=0, proposal_index=15)
    study = study_of(problem, random_history(problem, 15), sampler)
    original = study._storage.get_all_trials
    copied: list[bool] = []

    def get_all_trials(study_id: int, deepcopy: bool = True, states: Any = None) -> list[FrozenTrial]:
        copied.append(deepcopy)
        return original(study_id, deepcopy=deepcopy, states=states)

    monkeypatch.setattr(study._storage, "get_all_trials", get_all_trials)
    sample(study, problem)
    assert not any(copied)
    assert copied or form.name in {"random", "enumerate"}


def _identical(problem: SearchProblem) -> list[FrozenTrial]:
    return random_history(problem, 12, loss=2.0)


def _same_member(problem: SearchProblem) -> list[FrozenTrial]:
    genome = problem.space.encode(problem.space.sample_architectures(1, seed=0)[0])
    return [told(problem, genome, index) for index in range(12)]


def _all_failed(problem: SearchProblem) -> list[FrozenTrial]:
    return random_history(problem, 12, state=TrialState.FAIL)


def _all_running(problem: SearchProblem) -> list[FrozenTrial]:
    return random_history(problem, 12, state=TrialState.RUNNING)


@each_sampler
@pytest.mark.parametrize("history", [_identical, _same_member, _all_failed, _all_running])
def test_histories_that_teach_little(form: Form, history: Callable[[SearchProblem], list[FrozenTrial]]) -> None:
    problem = problem_of()
    assert is_genome(propose(form, problem, history(problem)), problem)


@each_sampler
def test_nobody_is_within_the_limit(form: Form) -> None:
    problem = problem_of(TWO.with_budget(1e-3))
    trials = random_history(problem, 15)
    assert all(trial.values[1] == problem.penalty_loss for trial in trials)
    assert is_genome(propose(form, problem, trials), problem)


@each_sampler
@pytest.mark.parametrize("space", [SINGLE, TINY], ids=["one", "four"])
def test_every_member_has_been_seen(form: Form, space: SearchSpace) -> None:
    problem = problem_of(space=space)
    trials = random_history(problem, 15)
    assert is_genome(propose(form, problem, []), problem)
    assert is_genome(propose(form, problem, trials), problem)


@each_sampler
@pytest.mark.parametrize("goals", [pytest.param(TWO, id="free"), pytest.param(LIMITED, id="limit")])
def test_a_derived_width(form: Form, goals: Goals) -> None:
    problem = problem_of(goals, DERIVED)
    assert is_genome(propose(form, problem, random_history(problem, 12)), problem)


@each_sampler
def test_parameters_that_are_no_genes(form: Form) -> None:
    """Optuna may ask for more than the genes; the proposal is the same for it."""
    problem = problem_of()
    trials = random_history(problem, 12)
    sampler = make_sampler(form.name, problem, form.options, seed=0, proposal_index=12)
    study = study_of(problem, trials, sampler)
    trial = study.ask()
    genome = tuple(trial.suggest_categorical(gene.name, gene.choices) for gene in problem.space.genes)
    assert genome == propose(form, problem, trials)
    assert 0 <= trial.suggest_float("other", 0, 1) <= 1


def test_unknown_samplers_and_options_are_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'evolution'"):
        check_sampler("evolutionn", SamplerOptions())
    with pytest.raises(InputError, match=", ".join(sampler_names())):
        check_sampler("zzz", SamplerOptions())
    with pytest.raises(InputError, match="no option cycle, sample_size"):
        check_sampler("nsga2", SamplerOptions(sample_size=3, population=4, cycle=2))
