"""Random plans: even over depth, fair among the ways to reach one."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_search.space.sample import count_ways, draw_repeats
from nas_search.space.search_space import load_space


@settings(deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(1, 3), st.integers(1, 12))
def test_ways_count_what_enumeration_finds(lengths: list[int], max_repeats: int, max_operators: int) -> None:
    ways = count_ways(tuple(lengths), max_repeats, max_operators)
    totals = [
        sum(length * count for length, count in zip(lengths, repeats, strict=True))
        for repeats in product(range(max_repeats + 1), repeat=len(lengths))
    ]
    assert list(ways[0]) == [totals.count(total) for total in range(max_operators + 1)]


def test_all_repeats_that_reach_a_depth_are_equally_likely() -> None:
    lengths, max_repeats, total = (2, 1, 3), 4, 9
    ways = count_ways(lengths, max_repeats, 12)
    rng = np.random.default_rng(0)
    drawn = [draw_repeats(ways, lengths, total, max_repeats, rng) for _ in range(4000)]
    expected = {
        repeats for repeats in product(range(5), repeat=3) if np.dot(repeats, lengths) == total
    }  # every way, by enumeration
    assert set(drawn) == expected
    counts = np.array([drawn.count(repeats) for repeats in expected])
    mean = 4000 / len(expected)
    assert np.sum((counts - mean) ** 2 / mean) < 40  # chi-square, about 10 degrees of freedom: p < 1e-4


@pytest.mark.parametrize(("name", "width"), [("cpu", None), ("paper", 2048)])
def test_samples_are_spread_evenly_over_depth(name: str, width: int | None) -> None:
    space = load_space(name)
    rng = np.random.default_rng(0)
    depths = [space.decode(space.sample(rng), width).depth for _ in range(1500)]
    counts = np.bincount(depths, minlength=space.max_operators + 1)[1:]
    mean = 1500 / space.max_operators
    assert counts.min() > mean / 2
    assert counts.max() < mean * 2
