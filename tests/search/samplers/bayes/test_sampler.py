"""What is proposed: promising members that are new, within limits, and unlike those that run."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from bayes_cases import GENOMES, PROBLEM, TABLE, rows, source, trials
from optuna.trial import FrozenTrial, TrialState
from sampler_cases import LIMITED, SPACE, THREE, TWO, Form, problem_of, propose, random_history, sample, study_of, told

from nas_search.search.bench.scale import Scale
from nas_search.search.front import hypervolume
from nas_search.search.goals import Goals
from nas_search.search.problem import FloatArray, Prospect, SearchProblem
from nas_search.search.samplers.base import genome_of
from nas_search.search.samplers.bayes.candidates import new_prospects, relatives
from nas_search.search.samplers.bayes.sampler import ROUNDS, START, KnownLatencySampler
from nas_search.search.simulation.search_table import SearchTable
from nas_search.search.simulation.simulate import simulate
from nas_search.search.space_members import SpaceMembers
from nas_search.space.genome import Genome

BAYES = Form("bayes")
MAIN = PROBLEM.goals.main.name


def bayes(problem: SearchProblem, history: Sequence[FrozenTrial], seed: int = 0) -> Genome:
    return propose(BAYES, problem, history, seed=seed)


def proposed_in_turn(
    problem: SearchProblem, history: list[FrozenTrial], count: int, state: TrialState, seed: int = 0
) -> list[Genome]:
    """Proposals that all end, or stay, in the same state."""
    known, found = list(history), []
    for _ in range(count):
        found.append(bayes(problem, known, seed))
        known.append(told(problem, found[-1], len(known), loss=recorded(problem, found[-1]), state=state))
    return found


def recorded(problem: SearchProblem, genome: Genome) -> float | None:
    """The table's loss; None for members of a space."""
    return None if problem.space.genes == SPACE.genes else float(TABLE.losses[TABLE.members.space.row(genome), 0])


def latencies(problem: SearchProblem, genomes: Sequence[Genome]) -> list[float]:
    return [prospect.figures[problem.goals.main.name] for prospect in problem.members.prospects(genomes)]


def quarter(genome: Genome) -> int:
    """Of the table's latencies."""
    ordered = np.sort(TABLE.latencies)
    return int(np.searchsorted(ordered, latencies(PROBLEM, [genome])[0]) * 4 / len(ordered))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.RUNNING])
def test_the_first_ones_are_spread_over_latency(state: TrialState, seed: int) -> None:
    """Whether they are trained one after another or all at once."""
    found = latencies(PROBLEM, proposed_in_turn(PROBLEM, [], START, state, seed))
    ordered = np.sort(TABLE.latencies)
    places = np.searchsorted(ordered, found) / len(ordered)
    assert np.sort(places) == pytest.approx([0.125, 0.375, 0.625, 0.875], abs=0.25)
    assert np.ptp(places) > 0.5


@pytest.mark.parametrize("goals", [TWO, LIMITED, THREE], ids=["free", "limit", "three"])
def test_proposals_are_canonical_new_and_within_the_limits(goals: Goals) -> None:
    problem = problem_of(goals)
    history = random_history(problem, 10)
    found = proposed_in_turn(problem, history, 8, TrialState.COMPLETE)
    found += proposed_in_turn(problem, history, 4, TrialState.FAIL)
    assert found[8] == found[0]
    before = {genome_of(trial.params, SPACE.genes) for trial in history}
    assert len(set(found[:8])) == 8 and len(set(found[8:])) == 4 and not before & set(found)
    for prospect in problem.members.prospects(found):
        assert prospect.genome in found and not goals.excess(prospect.figures)


def test_over_a_limit_only_where_nothing_else_is_left_and_then_the_nearest() -> None:
    limit = float(np.sort(TABLE.latencies)[11]) + 1e-6
    problem = TABLE.problem(latency_limit=limit)
    found = latencies(problem, proposed_in_turn(problem, [], 12, TrialState.COMPLETE))
    assert sum(latency <= limit for latency in found) >= 9
    inside = [row for row, latency in enumerate(TABLE.latencies) if latency <= limit]
    history = trials(inside, problem)
    nearest = latencies(problem, proposed_in_turn(problem, history, 5, TrialState.COMPLETE))
    assert max(nearest) < np.quantile(TABLE.latencies, 0.15)


def test_a_search_trains_nothing_over_a_limit_and_hardly_proposes_it() -> None:
    limit = float(np.quantile(TABLE.latencies, 0.2))
    records = simulate(TABLE, "bayes", trials=30, seed=0, latency_limit=limit).records
    assert all(record.latency_ms <= limit for record in records if record.trained)
    assert sum(record.state == "over_limit" for record in records) == 0


class Judging:
    """Prefers members by their parameters, and remembers whom it was asked about."""

    def __init__(self, value: Callable[[int], float]) -> None:
        self.value = value
        self.asked: list[list[float]] = []

    def __call__(self, problem: SearchProblem, *rest: object) -> "Judging":
        return self

    def improvement(self, prospects: Sequence[Prospect]) -> FloatArray:
        self.asked.append([self.value(prospect.parameters) for prospect in prospects])
        return np.array(self.asked[-1])


def judged(problem: SearchProblem, judge: Judging, seed: int) -> float:
    """How good the proposal is that a judge makes."""
    study = study_of(
        problem, random_history(problem, 15), KnownLatencySampler(problem, np.random.default_rng(seed), judge)
    )
    (prospect,) = problem.members.prospects([genome_of(sample(study, problem), SPACE.genes)])
    return judge.value(prospect.parameters)


def test_mutations_of_the_best_are_looked_at_and_the_best_of_all_is_proposed() -> None:
    """In most of four searches for a size the first candidates are not the best ones."""
    better = 0
    for seed in range(4):
        judge = Judging(lambda parameters: -abs(parameters - 1_234_567))
        found = judged(problem_of(), judge, seed)
        assert len(judge.asked) == 1 + ROUNDS and len(judge.asked[0]) > 200
        assert found == max(max(values) for values in judge.asked)
        better += found > max(judge.asked[0])
    assert better >= 2


@pytest.mark.parametrize("seed", range(3))
def test_a_limit_holds_for_mutations_too(seed: int) -> None:
    """Though the judge likes nothing more than to pass it."""
    limited = problem_of(Goals.stored(("decode:256", "loss"), ("parameters<=500000",)))
    judge = Judging(float)
    assert 300_000 < judged(limited, judge, seed) <= 500_000
    assert max(max(values) for values in judge.asked) <= 500_000


def test_what_failed_is_not_proposed_again() -> None:
    """All but three members failed."""
    left = rows(len(GENOMES))[:3]
    dead = [told(PROBLEM, genome, i, loss=1.0, state=TrialState.FAIL) for i, genome in enumerate(GENOMES)]
    history = [trial for row, trial in enumerate(dead) if row not in left]
    found = [bayes(PROBLEM, history, seed) for seed in range(8)]
    assert set(found) & {GENOMES[row] for row in left}


def test_of_a_table_without_new_rows_any() -> None:
    assert bayes(PROBLEM, trials(range(len(GENOMES)))) in GENOMES


@pytest.mark.parametrize("count", [4, 20])
def test_members_that_run_are_neither_proposed_again_nor_crowded(count: int) -> None:
    """Eight workers that all start at once; not knowing of each other, several would be sent to the same place."""
    history = trials(rows(count))
    found = proposed_in_turn(PROBLEM, history, 8, TrialState.RUNNING)
    assert len(set(found)) == 8 and not set(found) & {GENOMES[row] for row in rows(count)}
    assert len({quarter(genome) for genome in found}) >= 3
    alone = [propose(BAYES, PROBLEM, history, index=count + i) for i in range(8)]
    together, one_by_one = (len(set(np.round(latencies(PROBLEM, genomes), 6))) for genomes in (found, alone))
    assert together >= 7 and together > one_by_one


def test_duplicates_that_run_count_once() -> None:
    history = trials(rows(12))
    running = told(PROBLEM, GENOMES[rows(13)[12]], 12, loss=1.0, state=TrialState.RUNNING)
    assert bayes(PROBLEM, [*history, running, running]) not in {GENOMES[row] for row in rows(13)}


def test_a_run_with_the_same_score_takes_the_place_of_the_first_members() -> None:
    """By itself the first proposal is among the best tenth; otherwise it is any member of some latency."""
    known = rows(60)
    warm = replace(PROBLEM, prior=(source(known, same_score=True),))
    scale = Scale.of(np.column_stack([TABLE.latencies, TABLE.losses[:, 0]]))

    def worth(genome: Genome) -> float:
        row = TABLE.members.space.row(genome)
        return float(scale.curve([(float(TABLE.latencies[row]), float(TABLE.losses[row, 0]))], 1)[0])

    everything = np.sort([worth(genome) for genome in GENOMES])
    for seed in range(3):
        assert worth(bayes(warm, [], seed)) > everything[-25]
    assert np.mean([worth(bayes(PROBLEM, [], seed)) for seed in range(3)]) < everything[-25]


def test_candidates_of_another_run_are_looked_at_whatever_the_draws() -> None:
    """Its best member is proposed though it is one among many rows: it costs nothing."""
    fields = {f"g{i}": np.tile(np.repeat([0, 1, 2], 3**i), 3 ** (7 - i)) for i in range(8)}
    many = pd.DataFrame(fields)
    many["ms"] = 1.0 + many.sum(axis=1)
    rng = np.random.default_rng(0)
    many["loss"] = rng.uniform(2, 3, len(many))
    many.loc[4000, "loss"], many.loc[4000, "ms"] = 0.1, 0.5
    table = SearchTable.of(many, list(fields), loss="loss", latency="ms")
    found = [4000, *rng.permutation(4000)[:20].tolist()]
    genomes = tuple(table.members.space.genomes[row] for row in found)
    prior = replace(
        source([0], same_score=True),
        genomes=genomes,
        features=table.members.features(genomes),
        losses=table.losses[found, 0],
        loss_sd=np.zeros(len(found)),
    )
    assert bayes(replace(table.problem(), prior=(prior,)), []) == genomes[0]


def test_equal_losses_leave_the_fastest_to_look_for() -> None:
    history = [told(PROBLEM, GENOMES[row], i, loss=0.3) for i, row in enumerate(rows(12))]
    found = bayes(PROBLEM, history)
    assert found not in {GENOMES[row] for row in rows(12)}
    assert latencies(PROBLEM, [found])[0] < np.quantile(TABLE.latencies[rows(12)], 0.5)


def test_latencies_that_a_calibration_put_below_zero() -> None:
    members = problem_of().members
    assert isinstance(members, SpaceMembers)
    shifted = replace(members, predict=lambda networks, workload: np.array(members.predict(networks, workload)) - 0.5)
    problem = replace(problem_of(), members=shifted)
    history = random_history(problem, 12)
    assert min(trial.values[0] for trial in history) < 0
    assert bayes(problem, history) not in {genome_of(trial.params, SPACE.genes) for trial in history}


def test_relatives_of_nobody() -> None:
    assert relatives([], SPACE, np.random.default_rng(0)) == []


def test_prospects_are_different_and_were_not_taken() -> None:
    genomes = [GENOMES[row] for row in (3, 4, 3, 5)]
    found = new_prospects(genomes, PROBLEM, {GENOMES[4]})
    assert [prospect.genome for prospect in found] == [GENOMES[3], GENOMES[5]]


def test_three_objectives_are_traded() -> None:
    """Twelve proposals add more hypervolume to a start than twelve random members do, in the median of three."""
    problem = problem_of(Goals.stored(("decode:256", "loss", "throughput:256"), ()))

    def volume(more: Sequence[FrozenTrial]) -> float:
        points = [problem.goals.minimised(trial.values) for trial in [*start, *more]]
        return hypervolume(points, (12.0, 3.5, 0.0))

    for seed in range(2):
        start = random_history(problem, 8, seed)
        found = proposed_in_turn(problem, start, 12, TrialState.COMPLETE, seed)
        chosen = [told(problem, genome, i) for i, genome in enumerate(found)]
        assert volume(chosen) > np.median([volume(random_history(problem, 12, 100 + i)) for i in range(3)])
