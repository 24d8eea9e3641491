import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.search.front import contributions, hypervolume, nondominated, ranks, spread

coordinate = st.integers(1, 12).map(float)
points_strategy = st.lists(st.tuples(coordinate, coordinate), max_size=12)
REFERENCE = (13.0, 13.0)


def dominates(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return a[0] <= b[0] and a[1] <= b[1] and a != b


@given(points_strategy)
def test_nondominated_is_what_nobody_dominates(points: list[tuple[float, float]]) -> None:
    kept = nondominated(points)
    expected = {point for point in points if not any(dominates(other, point) for other in points)}
    assert {points[index] for index in kept} == expected
    assert len(kept) == len(expected)
    assert [points[index] for index in kept] == sorted(expected)


@given(points_strategy)
def test_ranks_peel_fronts(points: list[tuple[float, float]]) -> None:
    left, rank, found = set(points), 0, {}
    while left:
        front = {point for point in left if not any(dominates(other, point) for other in left)}
        found |= dict.fromkeys(front, rank)
        left -= front
        rank += 1
    assert ranks(points) == [found[point] for point in points]


@given(points_strategy)
def test_hypervolume_counts_unit_squares(points: list[tuple[float, float]]) -> None:
    corners = np.arange(0, 13)
    squares = sum(any(p[0] <= x and p[1] <= y for p in points) for x in corners for y in corners)
    assert hypervolume(points, REFERENCE) == pytest.approx(squares)


@given(points_strategy)
def test_points_beyond_the_reference_count_for_nothing(points: list[tuple[float, float]]) -> None:
    inside = [point for point in points if max(point) < 6]
    assert hypervolume(points, (6.0, 6.0)) == pytest.approx(hypervolume(inside, (6.0, 6.0)))


@given(points_strategy.filter(bool), st.integers(1, 6))
def test_spread_keeps_the_best_and_the_largest_contributions(points: list[tuple[float, float]], count: int) -> None:
    front = [points[index] for index in nondominated(points)]
    kept = spread(front, count, REFERENCE)
    assert len(kept) == min(count, len(front)) == len(set(kept))
    assert front.index(min(front, key=lambda point: point[1])) in kept
    added = contributions(front, REFERENCE)
    dropped = [added[index] for index in range(len(front)) if index not in kept]
    others = sorted(added[index] for index in kept)[1:]
    assert not dropped or not others or max(dropped) <= others[-1]
