"""What so many rows can have, against every choice of them."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_search.search.bench.possible import most_possible
from nas_search.search.bench.scale import Scale
from nas_search.search.front import Point, hypervolume, nondominated

NUMBERS = st.integers(1, 30).map(float)


@st.composite
def tables(draw: st.DrawFn) -> np.typing.NDArray[np.float64]:
    """Points that differ in both coordinates somewhere."""
    points = draw(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=12))
    return np.array([*points, (31.0, 0.5)])


def front_of(table: np.typing.NDArray[np.float64]) -> list[Point]:
    points = [tuple(point) for point in table.tolist()]
    return [points[index] for index in nondominated(points)]


@settings(deadline=None)
@given(tables())
def test_no_choice_of_so_many_rows_has_more(table: np.typing.NDArray[np.float64]) -> None:
    scale, front = Scale.of(table), front_of(table)
    best = [
        max(hypervolume(chosen, scale.reference) for chosen in combinations(front, count)) / scale.best
        for count in range(1, len(front) + 1)
    ]
    assert most_possible(front, scale, len(front)) == pytest.approx(best)


def test_the_whole_front_is_all_there_is() -> None:
    table = np.array([[1.0, 7.0], [6.0, 3.0], [11.0, 2.0], [9.0, 6.0]])
    # The reference is (12, 7.5): alone, the middle one has most.
    whole = 5 * 0.5 + 5 * 4.5 + 5.5
    assert most_possible(front_of(table), Scale.of(table), 5) == pytest.approx(
        np.array([27, 29.5, whole, whole, whole]) / whole
    )
