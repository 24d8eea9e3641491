"""Means, intervals, differences and evaluations needed, on curves written by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.search.bench.summary import (
    Estimate,
    ProposalTime,
    budgets,
    differences,
    evaluations_to_reach,
    hypervolumes,
)

CURVES = {
    "fast": np.array([[0.2, 0.5, 0.7, 0.8], [0.4, 0.5, 0.9, 1.0]]),
    "slow": np.array([[0.1, 0.3, 0.5, 0.6], [0.3, 0.3, 0.3, 0.6]]),
}


def test_budgets_are_powers_of_two_and_those_of_real_searches() -> None:
    assert budgets(200) == (1, 2, 4, 8, 10, 16, 25, 32, 35, 50, 64, 100, 128, 200)
    assert budgets(50) == (1, 2, 4, 8, 10, 16, 25, 32, 35, 50)
    assert budgets(1) == (1,)


@given(st.integers(1, 3000))
def test_budgets_rise_to_the_number_of_trials(trials: int) -> None:
    found = budgets(trials)
    assert list(found) == sorted(set(found))
    assert found[-1] == trials


def test_hypervolumes_are_means_over_seeds() -> None:
    found = hypervolumes(CURVES, (1, 4))
    assert found["fast"][1].mean == pytest.approx(0.3)
    assert found["slow"][4] == Estimate(mean=0.6, low=0.6, high=0.6)


def test_the_interval_is_a_percentile_bootstrap_of_the_mean() -> None:
    # Of four resamples of two seeds one has twice the lower, one twice the higher: both tails are above 2.5 %.
    found = hypervolumes(CURVES, (1,))["fast"][1]
    assert (found.low, found.high) == pytest.approx((0.2, 0.4))
    many = Estimate.of(np.random.default_rng(0).normal(size=400))
    assert many.high - many.low == pytest.approx(2 * 1.96 / 20, rel=0.15)
    assert many == Estimate.of(np.random.default_rng(0).normal(size=400))


def test_differences_are_paired_by_seed() -> None:
    found = differences(CURVES, (2, 3))
    assert found["fast"]["slow"][3].mean == pytest.approx(0.4)
    assert (found["fast"]["slow"][3].low, found["fast"]["slow"][3].high) == pytest.approx((0.2, 0.6))
    assert found["fast"]["slow"][2].sign == 1
    assert found["slow"]["fast"][2].sign == -1
    assert "fast" not in found["fast"]


def test_an_interval_that_holds_zero_says_nothing() -> None:
    assert Estimate(mean=0.1, low=-0.1, high=0.3).sign == 0
    assert Estimate(mean=0.0, low=0.0, high=0.0).sign == 0


def test_evaluations_to_reach_are_the_first_at_which_the_mean_is_there() -> None:
    # Means: fast .3 .5 .8 .9, slow .2 .3 .4 .6.
    assert evaluations_to_reach(CURVES, 4) == {"fast": {"slow": 3}, "slow": {"fast": None}}
    assert evaluations_to_reach(CURVES, 2) == {"fast": {"slow": 1}, "slow": {"fast": 4}}


def test_time_per_proposal() -> None:
    found = ProposalTime.of([0.1 * n for n in range(1, 12)])
    assert (found.median, found.p90, found.n) == (pytest.approx(0.6), pytest.approx(1.0), 11)
