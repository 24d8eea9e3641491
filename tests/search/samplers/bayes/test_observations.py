"""What of a study is learned from."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState, create_trial
from sampler_cases import LIMITED, SPACE, THREE, TWO, problem_of, random_history, told

from nas_search.search.journal import OUTCOME, Outcome
from nas_search.search.samplers.base import distributions, genome_of
from nas_search.search.samplers.bayes.observations import known_points, observe

GENES = SPACE.genes


def with_loss(trial: FrozenTrial, loss: float) -> FrozenTrial:
    """The same trial, but for its loss."""
    return create_trial(
        state=TrialState.COMPLETE,
        values=[trial.values[0], loss],
        params=trial.params,
        distributions=distributions(GENES),
    )


def test_each_member_with_its_figures_and_its_loss() -> None:
    trials = random_history(problem_of(), 5)
    found = observe(trials, TWO, GENES)
    assert len(found) == 5 and found.genomes == tuple(genome_of(trial.params, GENES) for trial in trials)
    np.testing.assert_array_equal(found.known, [[trial.values[0]] for trial in trials])
    np.testing.assert_array_equal(found.losses, [trial.values[1] for trial in trials])
    np.testing.assert_array_equal(found.loss_sd, np.zeros(5))


def test_nothing() -> None:
    found = observe([], THREE, GENES)
    assert len(found) == 0 and found.known.shape == (0, 2) and found.losses.shape == found.loss_sd.shape == (0,)
    assert known_points([], THREE).shape == (0, 2)


def test_members_over_a_limit_have_no_loss() -> None:
    """They were told the penalty."""
    problem = problem_of(LIMITED)
    trials = random_history(problem, 20)
    found = observe(trials, LIMITED, GENES)
    assert 0 < len(found) < 20
    assert found.known.max() <= 1.5 and found.losses.max() < problem.penalty_loss
    assert len(found) == sum(trial.values[0] <= 1.5 for trial in trials)


def test_of_a_member_that_was_proposed_twice_the_first_trial_counts() -> None:
    trials = random_history(problem_of(), 3)
    again = with_loss(trials[1], 1.0)
    found = observe([*trials, again, again], TWO, GENES)
    assert len(found) == 3 and found.losses[1] == trials[1].values[1]


@pytest.mark.parametrize("loss", [math.inf, -math.inf])
def test_losses_that_are_no_numbers(loss: float) -> None:
    trials = random_history(problem_of(), 3)
    found = observe([with_loss(trials[0], loss), *trials[1:]], TWO, GENES)
    assert found.genomes == tuple(genome_of(trial.params, GENES) for trial in trials[1:])


def test_trials_of_a_study_with_other_objectives() -> None:
    trials = random_history(problem_of(), 3)
    single = create_trial(value=1.0, params=trials[0].params, distributions=distributions(GENES))
    more = random_history(problem_of(THREE), 2)
    assert len(observe([single, *more, *trials[:1]], TWO, GENES)) == 1


def test_the_noise_is_that_of_extrapolated_losses() -> None:
    problem = problem_of()
    genomes = [problem.space.sample(np.random.default_rng(seed)) for seed in range(3)]
    trials = [told(problem, genome, i) for i, genome in enumerate(genomes)]
    reached = Outcome(state="complete", told_loss=1.0)
    extrapolated = Outcome(state="stopped", told_loss=1.0, extrapolated=True, loss_sd=0.03)
    for trial, outcome in zip(trials, (reached, extrapolated), strict=False):
        trial.set_user_attr(OUTCOME, outcome.model_dump(mode="json"))
    np.testing.assert_array_equal(observe(trials, TWO, GENES).loss_sd, [0.0, 0.03, 0.0])


def test_known_coordinates_are_minimised_and_without_the_loss() -> None:
    """A throughput changes its sign; what has a limit alone is no coordinate."""
    goals = replace(THREE, limits=())
    problem = problem_of(goals)
    trials = random_history(problem, 6)
    found = observe(trials, goals, GENES)
    np.testing.assert_array_equal(found.known, [[trial.values[0], -trial.values[2]] for trial in trials])
    figures = [prospect.figures for prospect in problem.members.prospects(found.genomes)]
    np.testing.assert_array_equal(known_points(figures, goals), found.known)


@given(losses=st.lists(st.floats(-5, 5), min_size=1, max_size=8))
def test_losses_become_positive_and_keep_their_distances(losses: list[float]) -> None:
    found = observe([with_loss(trial, loss) for trial, loss in zip(TRIALS, losses, strict=False)], TWO, GENES)
    assert found.losses.min() > 0
    moved = found.losses - losses
    np.testing.assert_allclose(moved, moved[0], atol=1e-12)
    assert moved[0] == 0 or min(losses) <= 0


TRIALS = random_history(problem_of(), 8)
