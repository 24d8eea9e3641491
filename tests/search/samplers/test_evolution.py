"""Aging evolution, part by part and as a whole."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState
from sampler_cases import LIMITED, SPACE, TWO, Form, problem_of, propose, random_history, told

from nas_search.search.bench.scale import Scale
from nas_search.search.goals import Goals
from nas_search.search.problem import SearchProblem
from nas_search.search.samplers.base import genome_of
from nas_search.search.samplers.evolution.children import crossover, mutation, worthwhile
from nas_search.search.samplers.evolution.population import Member, population
from nas_search.search.samplers.evolution.tournament import greatest_contribution, tournament
from nas_search.search.samplers.names import SAMPLER_OPTIONS
from nas_search.search.samplers.options import SamplerOptions
from nas_search.search.simulation.search_table import SearchTable
from nas_search.search.simulation.simulate import simulate
from nas_search.space.genome import Genome


def ages(members: Sequence[Member]) -> list[int]:
    return [member.age for member in members]


def living(trials: Sequence[FrozenTrial], problem: SearchProblem, *, size: int, cycle: int = 1) -> list[Member]:
    return population(trials, problem.goals, problem.space.genes, size=size, cycle=cycle)


def winner(members: Sequence[Member]) -> int:
    """The age of the winner of a tournament."""
    return tournament(members, greatest_contribution).age


def front_of(points: dict[int, tuple[float, ...]]) -> set[int]:
    """Those that no other one dominates, by the definition."""
    return {
        index
        for index, p in points.items()
        if not any(q != p and all(a <= b for a, b in zip(q, p, strict=True)) for q in points.values())
    }


def test_the_population_is_the_youngest_by_proposal_index_whatever_the_order_of_telling() -> None:
    problem = problem_of()
    trials = random_history(problem, 20)
    shuffled = [trials[index] for index in np.random.default_rng(1).permutation(20)]
    assert ages(living(shuffled, problem, size=5)) == [15, 16, 17, 18, 19]
    assert [member.genome for member in living(shuffled, problem, size=20)] == [
        genome_of(trial.params, SPACE.genes) for trial in trials
    ]


def test_nobody_lives_until_the_population_is_full() -> None:
    problem = problem_of()
    trials = random_history(problem, 5)
    assert living(trials[:4], problem, size=5) == []
    assert ages(living(trials, problem, size=5)) == [0, 1, 2, 3, 4]


@given(count=st.integers(4, 40), cycle=st.integers(1, 12))
def test_the_population_changes_after_whole_cycles(count: int, cycle: int) -> None:
    problem, trials = HISTORY
    oldest = living(trials[:count], problem, size=4, cycle=cycle)[0].age
    assert oldest % cycle == 0 and 0 <= count - (oldest + 4) < cycle


HISTORY = (problem_of(), random_history(problem_of(), 40))


def test_the_lowest_loss_within_the_limit_wins() -> None:
    problem = problem_of(LIMITED)
    trials = random_history(problem, 30)
    inside = [trial for trial in trials if trial.values[0] <= 1.5]
    assert 3 < len(inside) < 25
    best = min(inside, key=lambda trial: trial.values[1])
    assert winner(living(trials, problem, size=30)) == best.user_attrs["proposal_index"]


def test_if_none_is_within_the_limit_the_fastest_wins() -> None:
    problem = problem_of(TWO.with_budget(0.01))
    trials = random_history(problem, 12)
    fastest = min(trials, key=lambda trial: trial.values[0])
    assert winner(living(trials, problem, size=12)) == fastest.user_attrs["proposal_index"]


def test_of_those_that_miss_the_limit_equally_the_youngest_wins() -> None:
    members = [Member((), (1.0,), 0.5, age) for age in (3, 7, 5)]
    assert winner(members) == 7


def test_objectives_without_a_limit_are_traded_among_those_within_all_limits() -> None:
    goals = Goals.stored(("decode:256", "loss", "throughput:256"), ("decode:256<=5ms", "memory:256<=4MiB"))
    problem = problem_of(goals)
    trials = random_history(problem, 20)
    inside = [trial for trial in trials if all(share <= 0 for share in trial.constraints.values())]
    front = front_of({trial.user_attrs["proposal_index"]: (trial.values[1], -trial.values[2]) for trial in inside})
    assert 1 < len(front) < len(inside) < 20
    assert winner(living(trials, problem, size=20)) in front


def test_without_a_limit_the_one_that_adds_most_hypervolume_wins() -> None:
    """Of the front (1, 9), (2, 4), (4, 3), (9, 1) up to (9.8, 9.8) the second adds 10, the others 0.8, 5 and 1.6."""
    points = [(9.0, 1.0), (4.0, 3.0), (2.0, 4.0), (1.0, 9.0), (5.0, 5.0)]
    members = [Member((), point, 0.0, age) for age, point in enumerate(points)]
    assert winner(members) == 2
    assert winner([member for member in members if member.age != 2]) == 1


def test_members_with_the_same_figures() -> None:
    assert winner([Member((), (1.0, 2.0), 0.0, age) for age in range(3)]) in range(3)
    assert winner([Member((), (loss,), 0.0, age) for age, loss in enumerate((2.0, 1.0, 1.0))]) in {1, 2}


def test_a_mutation_changes_what_is_built_in_one_factor_or_by_repair() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        parent = SPACE.sample(rng)
        child = mutation(parent, SPACE, rng)
        assert 1 <= sum(a != b for a, b in zip(child, parent, strict=True)) <= 3  # repair: repeats of two more stages
        assert SPACE.decode(child) != SPACE.decode(parent)


def test_crossover_takes_each_gene_from_either_parent() -> None:
    rng = np.random.default_rng(0)
    one, other = SPACE.sample(rng), SPACE.sample(rng)
    repeats = {index for index, gene in enumerate(SPACE.genes) if gene.name.endswith(".repeats")}
    sides = np.zeros((2, len(one)), dtype=bool)
    for _ in range(60):
        child = crossover(one, other, SPACE, rng)
        SPACE.decode(child)
        for index in set(range(len(one))) - repeats:
            assert child[index] in (one[index], other[index])
        sides |= [[a == b for a, b in zip(child, parent, strict=True)] for parent in (one, other)]
    assert sides.all()


def test_children_are_new_different_and_within_the_limits() -> None:
    problem = problem_of(LIMITED)
    rng = np.random.default_rng(0)
    first = worthwhile(lambda: SPACE.sample(rng), 30, problem, frozenset())
    assert len({prospect.genome for prospect in first}) == 30
    assert all(prospect.figures["decode:256"] <= 1.5 for prospect in first)
    again = np.random.default_rng(0)
    second = worthwhile(lambda: SPACE.sample(again), 30, problem, {prospect.genome for prospect in first})
    assert not {prospect.genome for prospect in first} & {prospect.genome for prospect in second}


def test_if_no_child_is_within_the_limits_it_is_the_nearest_of_all_rounds() -> None:
    problem = problem_of(TWO.with_budget(0.01))
    rng, again = np.random.default_rng(0), np.random.default_rng(0)
    (child,) = worthwhile(lambda: SPACE.sample(rng), 2, problem, frozenset())
    drawn = problem.members.prospects([SPACE.sample(again) for _ in range(40)])
    assert child.figures["decode:256"] == min(prospect.figures["decode:256"] for prospect in drawn)


def one_change_from(parent: Genome) -> set[Genome]:
    """The members that differ from ``parent`` in one gene, repaired, in canonical form."""
    changed = (
        (*parent[:index], choice, *parent[index + 1 :])
        for index, gene in enumerate(SPACE.genes)
        for choice in gene.choices
    )
    return {SPACE.canonical(SPACE.repair(genome)) for genome in changed}


def evolved(trials: Sequence[FrozenTrial], problem: SearchProblem, seed: int, **options: float) -> Genome:
    return propose(Form("evolution", SamplerOptions.model_validate(options)), problem, trials, seed=seed)


def test_a_proposal_is_a_new_child_of_the_winner_with_one_changed_factor() -> None:
    problem = problem_of(LIMITED)
    trials = random_history(problem, 30)
    best = winner(living(trials, problem, size=30))
    neighbours = one_change_from(genome_of(trials[best].params, SPACE.genes))
    for seed in range(10):
        child = evolved(trials, problem, seed, population=30, sample_size=30)
        (prospect,) = problem.members.prospects([child])
        assert child in neighbours and prospect.figures["decode:256"] <= 1.5
        assert child not in {genome_of(trial.params, SPACE.genes) for trial in trials}


def test_with_crossover_alone_every_gene_is_a_parent_s() -> None:
    problem = problem_of()
    rng = np.random.default_rng(2)
    one = other = SPACE.canonical(SPACE.sample(rng))
    for _ in range(4):
        other = SPACE.canonical(SPACE.mutate(other, rng))
    mixtures = {SPACE.canonical(SPACE.repair(mixed)) for mixed in product(*zip(one, other, strict=True))}
    assert len(mixtures) > 4
    trials = [told(problem, genome, index) for index, genome in enumerate((one, other))]
    children = {evolved(trials, problem, seed, population=2, sample_size=1, crossover=1.0) for seed in range(20)}
    assert children <= mixtures - {one, other} and len(children) > 1


def test_failed_and_running_trials_are_no_members_and_running_ones_are_not_proposed_again() -> None:
    problem = problem_of()
    rng = np.random.default_rng(0)
    parent = SPACE.canonical(SPACE.sample(rng))
    children = one_change_from(parent) - {parent}
    running = sorted(children, key=str)[::2]
    trials = [told(problem, parent, index) for index in range(2)]
    trials += [told(problem, child, 2 + i, state=TrialState.RUNNING) for i, child in enumerate(running)]
    trials += [told(problem, SPACE.sample(rng), len(trials) + i, state=TrialState.FAIL) for i in range(3)]
    for seed in range(10):
        assert evolved(trials, problem, seed, population=2, sample_size=1) in children - set(running)


@pytest.mark.parametrize(
    "option",
    [{"population": 8}, {"sample_size": 2}, {"cycle": 7}, {"crossover": 1.0}, {"screened": 4}],
    ids=lambda option: next(iter(option)),
)
def test_every_option_changes_what_is_proposed(option: dict[str, float]) -> None:
    assert SAMPLER_OPTIONS["evolution"] == {"population", "sample_size", "cycle", "crossover", "screened"}
    problem = problem_of()
    trials = random_history(problem, 12)
    base: dict[str, float] = {"population": 10, "sample_size": 10, "cycle": 1}
    seeds = range(3)
    assert [evolved(trials, problem, seed, **base) for seed in seeds] != [
        evolved(trials, problem, seed, **base | option) for seed in seeds
    ]


def smooth_table() -> SearchTable:
    """1024 rows: each gene costs time and lowers the loss, by other amounts, and two of them only together."""
    rows = pd.DataFrame(list(product(range(4), repeat=5)), columns=list("abcde"))
    rows["ms"] = 1 + rows["a"] + 0.6 * rows["b"] + 0.3 * rows["c"] + 0.5 * rows["d"] + 0.5 * rows["e"]
    rows["loss"] = (
        4 - 0.3 * np.sqrt(rows["a"]) - 0.4 * np.sqrt(rows["b"]) - 0.2 * rows["c"] - 0.1 * rows["d"] * rows["e"]
    )
    return SearchTable.of(rows, list("abcde"), loss="loss", latency="ms")


def share_found(made: SearchTable, sampler: str, seed: int, options: SamplerOptions | None = None) -> float:
    """Of the hypervolume of the table's front, after 60 candidates."""
    points = np.stack([made.latencies, made.losses[:, -1]], axis=1)
    records = simulate(made, sampler, trials=60, seed=seed, options=options).records
    return Scale.of(points).curve([tuple(points[int(record.fingerprint)].tolist()) for record in records], 60)[-1]


def test_evolution_finds_more_than_random_search() -> None:
    made = smooth_table()
    gains = [share_found(made, "evolution", seed) - share_found(made, "random", seed) for seed in range(6)]
    assert np.mean(gains) > 2 * np.std(gains, ddof=1) / np.sqrt(len(gains)) > 0
