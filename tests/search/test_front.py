"""Fronts and hypervolumes in two to four dimensions, against what can be counted."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.search.front import Point, contributions, hypervolume, nondominated, ranks, spread

SIDE = 5


def clouds(min_size: int = 0) -> st.SearchStrategy[list[Point]]:
    """Points with coordinates 1 to SIDE, all of one dimension."""
    coordinate = st.integers(1, SIDE).map(float)
    return st.integers(2, 4).flatmap(lambda d: st.lists(st.tuples(*[coordinate] * d), min_size=min_size, max_size=12))


def reference(points: list[Point], bound: float = SIDE + 1.0) -> Point:
    return (bound,) * (len(points[0]) if points else 2)


def dominates(a: Point, b: Point) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True)) and a != b


@given(clouds())
def test_nondominated_is_what_nobody_dominates(points: list[Point]) -> None:
    kept = nondominated(points)
    expected = {point for point in points if not any(dominates(other, point) for other in points)}
    assert [points[index] for index in kept] == sorted(expected)
    assert all(points.index(points[index]) == index for index in kept)


@given(clouds())
def test_ranks_peel_fronts(points: list[Point]) -> None:
    left, rank, found = set(points), 0, {}
    while left:
        front = {point for point in left if not any(dominates(other, point) for other in left)}
        found |= dict.fromkeys(front, rank)
        left -= front
        rank += 1
    assert ranks(points) == [found[point] for point in points]


@given(clouds(min_size=1))
def test_hypervolume_counts_unit_cubes(points: list[Point]) -> None:
    corners = product(range(SIDE + 1), repeat=len(points[0]))
    cubes = sum(any(all(x <= y for x, y in zip(p, corner, strict=True)) for p in points) for corner in corners)
    assert hypervolume(points, reference(points)) == pytest.approx(cubes)


@given(clouds(min_size=1))
def test_points_beyond_the_reference_count_for_nothing(points: list[Point]) -> None:
    inside = [point for point in points if max(point) < 3]
    near = reference(points, 3.0)
    assert hypervolume(points, near) == pytest.approx(hypervolume(inside, near))


@given(clouds(min_size=1), st.integers(1, 6))
def test_spread_keeps_the_best_and_the_largest_contributions(points: list[Point], count: int) -> None:
    front = [points[index] for index in nondominated(points)]
    kept = spread(front, count, reference(points))
    assert len(kept) == min(count, len(front)) == len(set(kept))
    assert min(point[1] for point in front) == min(front[index][1] for index in kept)
    added = contributions(front, reference(points))
    dropped = [added[index] for index in range(len(front)) if index not in kept]
    others = sorted(added[index] for index in kept)[1:]
    assert not dropped or not others or max(dropped) <= others[-1]


def test_nothing_has_no_front() -> None:
    assert nondominated([]) == ranks([]) == spread([], 3, (1.0, 1.0)) == []
    assert hypervolume([], (1.0, 1.0, 1.0)) == 0.0
