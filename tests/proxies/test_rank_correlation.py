"""Rank correlations: scipy's, in resamples too, and inside bands as counted pair by pair."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, rankdata, spearmanr

from nas_search.proxies.rank_correlation import draw_resamples, equal_bands, rho, rhos, tau, taus

scores = st.integers(3, 25).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 6).map(float), min_size=n, max_size=n)] * 2)
)


@given(scores, st.integers(0, 1000))
def test_they_are_those_of_scipy_with_ties_and_in_resamples(two: tuple[list[float], list[float]], seed: int) -> None:
    one, other = map(np.array, two)
    pick = np.random.default_rng(seed).integers(len(one), size=len(one))
    counts = np.bincount(pick, minlength=len(one))[None]
    assert tau(one, other) == pytest.approx(kendalltau(one, other).statistic, nan_ok=True)
    assert taus(one, other, counts)[0] == pytest.approx(kendalltau(one[pick], other[pick]).statistic, nan_ok=True)
    if min(len(set(one[pick])), len(set(other[pick])), len(set(one)), len(set(other))) > 1:  # else scipy warns
        assert rho(one, other) == pytest.approx(spearmanr(one, other).statistic)
        assert rhos(one, other, counts)[0] == pytest.approx(spearmanr(one[pick], other[pick]).statistic)


def test_a_constant_score_ranks_nothing() -> None:
    assert np.isnan(tau(np.ones(5), np.arange(5.0)))
    assert np.isnan(rho(np.arange(5.0), np.ones(5)))


def test_inside_bands_only_pairs_of_the_same_band_count() -> None:
    rng = np.random.default_rng(3)
    one, other = rng.integers(0, 9, size=(2, 40)).astype(float)
    bands = equal_bands(rng.normal(size=40), 3)
    pairs = [(i, j) for i, j in combinations(range(40), 2) if bands[i] == bands[j]]
    first, second = (np.array([np.sign(values[i] - values[j]) for i, j in pairs]) for values in (one, other))
    assert tau(one, other, bands) == pytest.approx((first @ second) / np.sqrt((first @ first) * (second @ second)))
    ranks = np.zeros((2, 40))
    for band in range(3):
        for row, values in zip(ranks, (one, other), strict=True):
            found = rankdata(values[bands == band])
            row[bands == band] = found - found.mean()
    expected = (ranks[0] @ ranks[1]) / np.sqrt((ranks[0] @ ranks[0]) * (ranks[1] @ ranks[1]))
    assert rho(one, other, bands) == pytest.approx(expected)


def test_bands_that_explain_everything_leave_nothing() -> None:
    size = np.repeat([1.0, 2.0, 3.0, 4.0], 50)
    noise = np.random.default_rng(0).normal(scale=0.1, size=(2, 200))
    bands = equal_bands(size, 4)
    assert tau(size + noise[0], size + noise[1]) > 0.7
    assert abs(tau(size + noise[0], size + noise[1], bands)) < 0.15
    assert abs(rho(size + noise[0], size + noise[1], bands)) < 0.2


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=40), st.integers(1, 8))
def test_bands_are_about_equal_and_in_order(values: list[float], count: int) -> None:
    array = np.array(values)
    bands = equal_bands(array, count)
    sizes = np.bincount(bands, minlength=count)
    assert sizes.max() - sizes.min() <= 1
    for lower in range(count - 1):
        assert array[bands == lower].max(initial=-np.inf) <= array[bands > lower].min(initial=np.inf)


def test_resamples_have_as_many_networks() -> None:
    counts = draw_resamples(12, 30, seed=1)
    assert counts.shape == (30, 12)
    assert (counts.sum(axis=1) == 12).all()
    assert (counts == draw_resamples(12, 30, seed=1)).all()
