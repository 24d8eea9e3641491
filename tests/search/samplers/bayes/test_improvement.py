"""Expected hypervolume improvement, against integrals of the improvement over the loss."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from nas_search.search.front import Point, hypervolume
from nas_search.search.problem import FloatArray
from nas_search.search.samplers.bayes.improvement import (
    Front,
    expected_hypervolume_improvement,
    expected_improvement,
)

WORST = 7.0
coordinates = st.integers(0, 6).map(float)
"""On a grid, so that ties and dominated points are frequent; the reference is at 5, so that some lie beyond it."""


@st.composite
def cases(draw: st.DrawFn) -> tuple[Front, FloatArray, float, float]:
    """A front of up to seven points, the known coordinates of a candidate, mean and deviation of its log loss."""
    k = draw(st.integers(1, 3))
    points = draw(st.lists(st.tuples(*[coordinates] * k, st.integers(1, 8).map(float)), max_size=7))
    array = np.array(points).reshape(len(points), k + 1)
    candidate = np.array([draw(coordinates) + draw(st.sampled_from([0.0, 0.5])) for _ in range(k)])
    return Front(array[:, :-1], array[:, -1]), candidate, draw(st.floats(-1.0, 2.5)), draw(st.floats(0.05, 1.5))


def expected(front: Front, candidate: FloatArray, mean: float, sd: float) -> float:
    """By the closed form."""
    reference = (np.full(len(candidate), 5.0), WORST)
    (found,) = expected_hypervolume_improvement(candidate[None], np.array([mean]), np.array([sd]), front, reference)
    return float(found)


def added(front: Front, candidate: FloatArray, loss: float) -> float:
    """What a candidate adds to a front if its loss turns out to be ``loss``."""
    points: list[Point] = [(*known, float(y)) for known, y in zip(front.known.tolist(), front.losses, strict=True)]
    reference = (*[5.0] * len(candidate), WORST)
    return hypervolume([*points, (*candidate.tolist(), loss)], reference) - hypervolume(points, reference)


def integrated(front: Front, candidate: FloatArray, mean: float, sd: float) -> float:
    """By the integral over the loss, piece by piece between the losses of the front."""
    levels = np.unique([*front.losses[front.losses < WORST], WORST])
    edges = np.clip([-9.0, *((np.log(levels) - mean) / sd), 9.0], -9.0, 9.0)

    def weighted(z: float) -> float:
        return added(front, candidate, float(np.exp(mean + sd * z))) * norm.pdf(z)

    return sum(quad(weighted, low, high, epsabs=1e-10)[0] for low, high in pairwise(edges) if low < high)


@given(case=cases())
def test_it_is_the_integral_over_the_loss(case: tuple[Front, FloatArray, float, float]) -> None:
    assert expected(*case) == pytest.approx(integrated(*case), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_it_is_the_mean_over_draws_of_the_loss(k: int) -> None:
    """All candidates at once, with a larger front; draws of losses in strata, so that few are enough."""
    rng = np.random.default_rng(k)
    front = Front(rng.uniform(0, 6, (12, k)), rng.uniform(1, 8, 12))
    known, mean, sd = rng.uniform(0, 3, (6, k)), rng.uniform(0.0, 1.5, 6), rng.uniform(0.1, 0.8, 6)
    reference = (np.full(k, 5.0), WORST)
    z = norm.ppf((np.arange(4000) + 0.5) / 4000)
    losses = np.exp(mean[:, None] + sd[:, None] * z)
    drawn = [np.mean([added(front, c, loss) for loss in row]) for c, row in zip(known, losses, strict=True)]
    assert min(drawn) > 0
    np.testing.assert_allclose(expected_hypervolume_improvement(known, mean, sd, front, reference), drawn, rtol=2e-3)


def test_without_a_front_it_is_the_room_up_to_the_reference() -> None:
    nothing = Front(np.zeros((0, 2)), np.zeros(0))
    room = expected(nothing, np.array([1.0, 2.0]), 0.5, 0.3)
    assert room == pytest.approx(4.0 * 3.0 * expected_improvement(np.array(WORST), np.array(0.5), np.array(0.3)))
    assert expected(nothing, np.array([5.0, 2.0]), 0.5, 0.3) == expected(nothing, np.array([1.0, 9.0]), 0.5, 0.3) == 0.0


@given(case=cases(), seed=st.integers(0, 99))
def test_the_order_of_the_front_and_dominated_points_do_not_matter(
    case: tuple[Front, FloatArray, float, float], seed: int
) -> None:
    front, *candidate = case
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(front.losses))
    behind = rng.integers(0, 3, front.known.shape)[order]
    further = Front(
        np.vstack([front.known[order], front.known[order] + behind]),
        np.concatenate([front.losses[order], front.losses[order] + rng.integers(0, 3)]),
    )
    assert expected(further, *candidate) == pytest.approx(expected(front, *candidate), rel=1e-12)


@given(case=cases(), factors=st.tuples(*[st.floats(1e-3, 1e3)] * 3))
def test_it_is_in_the_units_of_the_known_objectives(
    case: tuple[Front, FloatArray, float, float], factors: tuple[float, ...]
) -> None:
    front, candidate, mean, sd = case
    units = np.array(factors[: len(candidate)])
    (scaled,) = expected_hypervolume_improvement(
        (candidate * units)[None],
        np.array([mean]),
        np.array([sd]),
        Front(front.known * units, front.losses),
        (np.full(len(units), 5.0) * units, WORST),
    )
    assert scaled == pytest.approx(expected(*case) * np.prod(units), rel=1e-9)


@given(case=cases(), step=st.floats(0.0, 2.0))
def test_it_is_never_negative_and_falls_with_the_expected_loss(
    case: tuple[Front, FloatArray, float, float], step: float
) -> None:
    front, candidate, mean, sd = case
    assert expected(front, candidate, mean, sd) >= expected(front, candidate, mean + step, sd) >= 0.0


@given(case=cases(), step=st.floats(0.0, 2.0))
def test_it_falls_with_every_known_coordinate(case: tuple[Front, FloatArray, float, float], step: float) -> None:
    front, candidate, mean, sd = case
    for axis in range(len(candidate)):
        behind = candidate + step * (np.arange(len(candidate)) == axis)
        assert expected(front, behind, mean, sd) <= expected(front, candidate, mean, sd) * (1 + 1e-12)


@given(case=cases())
def test_what_stands_behind_a_member_for_certain_adds_nothing(case: tuple[Front, FloatArray, float, float]) -> None:
    """A candidate with the figures of a member whose loss is thirty deviations below its own."""
    front, candidate, mean, sd = case
    better = float(np.exp(mean - 30 * sd))
    joined = Front(np.vstack([front.known, candidate]), np.append(front.losses, better))
    assert expected(joined, candidate, mean, sd) < 1e-150


def test_tiny_improvements_keep_their_order() -> None:
    """Far below the rounding of a hypervolume, twenty deviations from any gain."""
    front = Front(np.array([[1.0]]), np.array([1.0]))
    gains = [expected(front, np.array([1.0]), mean, 0.1) for mean in (1.8, 2.0, 2.2)]
    assert 1e-60 > gains[0] > 1e10 * gains[1] > 1e20 * gains[2] > 0


@given(level=st.floats(1e-3, 20), mean=st.floats(-3, 3), sd=st.floats(1e-2, 2))
def test_expected_improvement_is_an_integral(level: float, mean: float, sd: float) -> None:
    def gain(z: float) -> float:
        return (level - np.exp(mean + sd * z)) * norm.pdf(z)

    last = np.clip((np.log(level) - mean) / sd, -12.0, 12.0)
    found = expected_improvement(np.array(level), np.array(mean), np.array(sd))
    assert found == pytest.approx(quad(gain, -12.0, last, epsabs=1e-13, limit=200)[0], rel=1e-7, abs=1e-12)


def test_expected_improvement_at_the_ends() -> None:
    """Nothing is below zero; a loss that is nearly certain improves by the difference."""
    levels, mean, sd = np.array([0.0, 0.5, 2.0]), np.zeros(3), np.full(3, 1e-6)
    np.testing.assert_allclose(expected_improvement(levels, mean, sd), [0.0, 0.0, 1.0], atol=1e-6)
    assert not expected_improvement(np.zeros(1), np.zeros(1), np.ones(1)).any()
