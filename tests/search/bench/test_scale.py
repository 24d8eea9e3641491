"""Normalised hypervolumes against areas computed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.errors import InputError
from nas_search.search.bench.scale import Scale

# Latencies from 1 to 11 and losses from 2 to 7: the reference is (12, 7.5).
POINTS = np.array([[1.0, 7.0], [6.0, 3.0], [11.0, 2.0], [9.0, 6.0]])
BEST = (6 - 1) * 0.5 + (11 - 6) * 4.5 + (12 - 11) * 5.5


def test_the_reference_is_a_tenth_of_the_range_beyond_the_worst() -> None:
    scale = Scale.of(POINTS)
    assert scale.reference == pytest.approx((12.0, 7.5))
    assert scale.best == pytest.approx(BEST)


def test_a_curve_is_the_share_of_the_true_front_after_each_point() -> None:
    tried = [(9.0, 6.0), (1.0, 7.0), (6.0, 3.0), (9.0, 6.0), (11.0, 2.0)]
    first, second, third = 3 * 1.5, 3 * 1.5 + 8 * 0.5, 5 * 0.5 + 6 * 4.5
    expected = np.array([first, second, third, third, BEST]) / BEST
    assert Scale.of(POINTS).curve(tried, 5) == pytest.approx(expected)


def test_a_search_that_ended_early_keeps_what_it_had() -> None:
    curve = Scale.of(POINTS).curve([(6.0, 3.0)], 4)
    assert curve == pytest.approx(np.full(4, 6 * 4.5 / BEST))


def test_no_more_than_asked_for() -> None:
    assert len(Scale.of(POINTS).curve([(6.0, 3.0)] * 7, 3)) == 3


@given(st.permutations(range(4)))
def test_all_rows_in_any_order_come_to_one(order: list[int]) -> None:
    curve = Scale.of(POINTS).curve([tuple(POINTS[row]) for row in order], 4)
    assert curve[-1] == pytest.approx(1.0)
    assert (np.diff(curve) >= 0).all()


def test_equal_losses_leave_nothing_to_search_for() -> None:
    with pytest.raises(InputError, match="the loss of all rows is the same"):
        Scale.of(np.array([[1.0, 2.0], [3.0, 2.0]]))
