"""Every sampler keeps the same promises; evolution has some of its own."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase, MultiObjectiveSamplerTestCase
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas_search.errors import InputError
from nas_search.search.goals import Goals
from nas_search.search.proposer import sample_params
from nas_search.search.samplers.base import distributions
from nas_search.search.samplers.evolution import AgingEvolution, tournament
from nas_search.search.samplers.factory import check_sampler, make_sampler, sampler_names
from nas_search.search.samplers.options import SamplerOptions
from nas_search.space.genome import Genome
from nas_search.space.search_space import SearchSpace, load_space

SPACE = load_space("cpu").with_vocabulary(256)
TWO = Goals.stored(("decode:256", "loss"), ())
GOALS = [
    pytest.param(TWO.with_budget(5.0), id="two"),
    pytest.param(
        Goals.stored(("decode:256", "loss", "throughput:256"), ("memory:256<=5MiB", "throughput:256>=3")), id="three"
    ),
    pytest.param(Goals.stored(("decode:256", "loss", "throughput:256", "parameters"), ()), id="four"),
]
NAMES = [pytest.param(name, marks=pytest.mark.slow if name == "gp" else []) for name in sampler_names()]


class TestEvolutionIsAnOptunaSampler(BasicSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: AgingEvolution(SPACE, np.random.default_rng(0), TWO)


def told(
    genome: Genome, index: int, values: Sequence[float], constraints: dict[str, float] | None = None
) -> FrozenTrial:
    return create_trial(
        state=TrialState.COMPLETE,
        values=list(values),
        params={gene.name: value for gene, value in zip(SPACE.genes, genome, strict=True)},
        distributions=distributions(SPACE.genes),
        user_attrs={"proposal_index": index},
        constraints=constraints,
    )


def limited(milliseconds: float) -> Goals:
    """Two objectives, and a limit on the first."""
    return TWO.with_budget(milliseconds)


def history(count: int, goals: Goals = TWO, seed: int = 0) -> list[FrozenTrial]:
    """Random values between 1 and 9 (the loss: 3) of the objectives; memories between 1 and 9 MiB."""
    rng = np.random.default_rng(seed)
    trials = []
    for index in range(count):
        figures = {quantity.name: float(rng.uniform(1, 9)) for quantity in goals.known}
        values = goals.values(figures, float(rng.uniform(1, 3)))
        trials.append(told(SPACE.sample(rng), index, values, goals.over(figures) or None))
    return trials


def study_of(trials: Sequence[FrozenTrial], sampler: BaseSampler, goals: Goals = TWO) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    directions = ["maximize" if quantity.higher_is_better else "minimize" for quantity in goals.objectives]
    study = optuna.create_study(directions=directions, sampler=sampler)
    study.add_trials(trials)
    return study


def propose(name: str, trials: Sequence[FrozenTrial], index: int, seed: int = 0, goals: Goals = TWO) -> dict[str, Any]:
    sampler = make_sampler(name, SPACE, SamplerOptions(), goals, seed=seed, proposal_index=index)
    study = study_of(trials, sampler, goals)
    trial_id = study._storage.create_new_trial(study._study_id)
    return sample_params(study, study._storage.get_trial(trial_id), SPACE)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("goals", GOALS)
@pytest.mark.parametrize("count", [0, 15])
def test_a_proposal_is_a_genome_and_a_function_of_history_seed_and_index(name: str, count: int, goals: Goals) -> None:
    trials = history(count, goals)
    first, again = propose(name, trials, count, goals=goals), propose(name, trials, count, goals=goals)
    assert first == again
    assert set(first) == {gene.name for gene in SPACE.genes}
    assert all(first[gene.name] in gene.choices for gene in SPACE.genes)
    others = [propose(name, trials, index, goals=goals) for index in range(count, count + 3)]
    assert name == "gp" or any(other != first for other in others)
    reseeded = [propose(name, trials, count, seed=seed, goals=goals) for seed in range(1, 4)]
    assert name == "gp" or any(other != first for other in reseeded)  # where it is certain, gp has no choice


@pytest.mark.parametrize("name", NAMES)
def test_history_is_not_changed(name: str) -> None:
    sampler = make_sampler(name, SPACE, SamplerOptions(), TWO, seed=0, proposal_index=14)
    study = study_of(history(14), sampler)
    before = study.get_trials()
    trial_id = study._storage.create_new_trial(study._study_id)
    sample_params(study, study._storage.get_trial(trial_id), SPACE)
    assert study.get_trials()[:14] == before


def test_unknown_samplers_and_options_are_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'evolution'"):
        check_sampler("evolutionn", SamplerOptions())
    with pytest.raises(InputError, match="there are evolution, random"):
        check_sampler("zzz", SamplerOptions())
    with pytest.raises(InputError, match="sample_size"):
        check_sampler("nsga2", SamplerOptions(sample_size=3))


def test_a_child_differs_from_a_living_parent_in_one_factor_or_by_repair() -> None:
    for seed in range(10):
        trials = history(30, seed=seed)
        child = tuple(propose("evolution", trials, 30, seed=seed).values())
        parents = [tuple(trial.params.values()) for trial in trials[-20:]]
        differences = [sum(a != b for a, b in zip(child, parent, strict=True)) for parent in parents]
        assert 1 <= min(differences) <= 3  # one gene, and the repeats of both stages by repair
        assert SPACE.decode(child) not in [SPACE.decode(SPACE.repair(parent)) for parent in parents]


class Watched(AgingEvolution):
    """Notes whom it mutates."""

    parents: list[Genome]

    def __init__(self, space: SearchSpace, rng: np.random.Generator, goals: Goals, **options: int) -> None:
        super().__init__(space, rng, goals, **options)
        self.parents = []
        watched = self

        class Space:
            genes = space.genes
            sample = staticmethod(space.sample)

            @staticmethod
            def mutate(genome: Genome, rng: np.random.Generator) -> Genome:
                watched.parents.append(genome)
                return space.mutate(genome, rng)

        self.space = Space()


def parents_of(trials: Sequence[FrozenTrial], draws: int, goals: Goals = TWO, **options: int) -> set[int]:
    """Proposal indices of the parents that are chosen from a history."""
    by_genome = {tuple(trial.params.values()): trial.user_attrs["proposal_index"] for trial in trials}
    sampler = Watched(SPACE, np.random.default_rng(0), goals, **options)
    for _ in range(draws):
        sampler.choose(trials)
    return {by_genome[genome] for genome in sampler.parents}


def test_the_population_is_the_youngest_by_proposal_index_whatever_the_order_of_telling() -> None:
    trials = history(20)
    shuffled = [trials[index] for index in np.random.default_rng(1).permutation(20)]
    assert parents_of(shuffled, 200, population=5, sample_size=1) == set(range(15, 20))


def test_until_the_population_is_full_members_are_random() -> None:
    assert parents_of(history(4), 20, population=5, sample_size=2) == set()
    assert parents_of(history(5), 20, population=5, sample_size=2) != set()


def test_the_lowest_loss_within_the_limit_wins() -> None:
    trials = history(12, limited(5.0))
    feasible = [trial for trial in trials if trial.values[0] <= 5.0]
    best = min(feasible, key=lambda trial: trial.values[1])
    assert parents_of(trials, 10, limited(5.0), population=12, sample_size=12) == {best.user_attrs["proposal_index"]}


def test_if_none_is_within_the_limit_the_fastest_wins() -> None:
    trials = history(12, limited(0.1))
    fastest = min(trials, key=lambda trial: trial.values[0])
    assert parents_of(trials, 10, limited(0.1), population=12, sample_size=12) == {fastest.user_attrs["proposal_index"]}


def test_objectives_without_a_limit_are_traded_among_those_within_all_limits() -> None:
    goals = Goals.stored(("decode:256", "loss", "throughput:256"), ("decode:256<=5ms", "memory:256<=6MiB"))
    trials = history(16, goals)
    inside = [trial for trial in trials if all(share <= 0 for share in trial.constraints.values())]
    points = {trial.user_attrs["proposal_index"]: (trial.values[1], -trial.values[2]) for trial in inside}
    front = {
        index
        for index, p in points.items()
        if not any(q[0] <= p[0] and q[1] <= p[1] and q != p for q in points.values())
    }
    assert 1 < len(front) < len(inside) < 16
    assert parents_of(trials, 200, goals, population=16, sample_size=16) == front


def test_without_a_limit_every_non_dominated_member_may_win_and_no_other() -> None:
    trials = history(12)
    points = [tuple(trial.values) for trial in trials]
    front = {i for i, p in enumerate(points) if not any(q[0] <= p[0] and q[1] <= p[1] and q != p for q in points)}
    assert parents_of(trials, 200, population=12, sample_size=12) == front
    assert tournament(trials[:1], TWO, np.random.default_rng(0)) is trials[0]


def test_failed_trials_are_no_members() -> None:
    trials = history(6)
    failed = create_trial(
        state=TrialState.FAIL,
        params=trials[0].params,
        distributions=distributions(SPACE.genes),
        user_attrs={"proposal_index": 6},
    )
    sampler = Watched(SPACE, np.random.default_rng(0), TWO, population=6, sample_size=1)
    study = study_of([*trials, failed], sampler)
    sampler.sample_relative(study, failed, dict(distributions(SPACE.genes)))
    assert len(sampler.parents) == 1


def best_loss_within(limit: float, choose: Callable[[np.random.Generator, list[FrozenTrial]], Genome]) -> float:
    """The best of 80 proposals: DeltaNet layers lower the loss, every layer costs time."""
    trials: list[FrozenTrial] = []
    for index in range(80):
        genome = choose(np.random.default_rng([int(10 * limit), index]), trials)
        codes = [operator.code for operator in SPACE.decode(SPACE.repair(genome)).operators]
        latency, loss = float(len(codes)), 3.0 - 0.1 * codes.count("d") - 0.02 * codes.count("m2")
        over = limited(limit).over({"decode:256": latency})
        trials.append(told(genome, index, (latency, loss if latency <= limit else 8.0), over))
    return min(trial.values[1] for trial in trials)


def test_evolution_beats_random() -> None:
    gains = []
    for limit in (6.0, 7.0, 8.0, 9.0, 10.0):
        goals = limited(limit)
        evolved = best_loss_within(
            limit, lambda rng, trials, goals=goals: AgingEvolution(SPACE, rng, goals, 10, 5).choose(trials)
        )
        gains.append(best_loss_within(limit, lambda rng, trials: SPACE.sample(rng)) - evolved)
    assert min(gains) >= 0 and np.mean(gains) > 0.05


def test_proposals_stay_quick_with_500_trials() -> None:
    """Not timed: trials are read without copies, which is what makes proposals slow."""
    sampler = make_sampler("evolution", SPACE, SamplerOptions(), TWO, seed=0, proposal_index=20)
    study = study_of(history(20), sampler)
    seen: list[bool] = []
    original = study.get_trials

    def get_trials(deepcopy: bool = True, **options: Any) -> Any:
        seen.append(deepcopy)
        return original(deepcopy=deepcopy, **options)

    study.get_trials = get_trials
    sampler.sample_relative(study, original()[0], dict(distributions(SPACE.genes)))
    assert seen == [False]
