"""Blocks, their arrangement and the repair of repeats."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_search.space.blocks import arrange, build_block, fit_repeats, ratio_counts
from nas_search.space.genome import StagePlan


@pytest.mark.parametrize(
    ("ratio", "ffn", "expected"),
    [
        ("0:1", 0, "m2"),
        ("0:1", 2, "m2 f f"),
        ("0:1", "between", "m2"),
        ("1:1", 1, "d f m2 f"),
        ("1:1", "between", "d f m2"),
        ("1:3", 0, "d m2 m2 m2"),
        ("2:1", 1, "d f d f m2 f"),
        ("1:2", "between", "d f m2 f m2"),
    ],
)
def test_a_block_has_its_mixers_in_order_with_their_ffns(ratio: str, ffn: int | str, expected: str) -> None:
    assert " ".join(build_block(StagePlan("d", "m2", ratio, ffn, 1), "f")) == expected


@pytest.mark.parametrize("ratio", ["", "1", "0:0", "1:1:1", "-1:2", "a:b", "1:100"])
def test_what_is_no_ratio_is_refused(ratio: str) -> None:
    with pytest.raises(ValueError, match="not a ratio"):
        ratio_counts(ratio)


@pytest.mark.parametrize(
    ("repeats", "interleaved", "expected"),
    [
        ((2, 1, 1), None, "A A B C"),
        ((3, 1, 1), 0, "A B A A C"),
        ((1, 3, 0), 0, "A B B B"),
        ((2, 2, 2), 1, "A A B C B C"),
        ((0, 2, 1), 0, "B B C"),
        ((0, 0, 0), 1, ""),
    ],
)
def test_stages_follow_each_other_or_alternate(
    repeats: tuple[int, ...], interleaved: int | None, expected: str
) -> None:
    assert " ".join(arrange([("A",), ("B",), ("C",)], repeats, interleaved)) == expected


@pytest.mark.parametrize(
    ("lengths", "repeats", "expected"),
    [
        ((4, 4, 4), (2, 2, 2), (2, 1, 0)),  # 24 -> 12: the last stage goes first
        ((4, 4, 4), (5, 1, 0), (3, 0, 0)),
        ((4, 4, 4), (1, 1, 1), (1, 1, 1)),
        ((3, 2, 1), (1, 1, 9), (1, 1, 7)),
        ((4, 4, 4), (0, 0, 0), (1, 0, 0)),
        ((12, 5, 1), (0, 3, 4), (0, 2, 0)),
    ],
)
def test_overflow_is_taken_from_the_last_stage_first(
    lengths: tuple[int, ...], repeats: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    assert fit_repeats(lengths, repeats, max_operators=12) == expected


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 10)), min_size=1, max_size=5), st.integers(12, 30))
def test_fitted_repeats_are_within_bounds_and_never_grow_but_from_nothing(
    stages: list[tuple[int, int]], max_operators: int
) -> None:
    lengths, repeats = zip(*stages, strict=True)
    fitted = fit_repeats(lengths, repeats, max_operators)
    total = sum(length * count for length, count in zip(lengths, fitted, strict=True))
    assert 1 <= total <= max_operators
    assert fit_repeats(lengths, fitted, max_operators) == fitted
    if any(repeats):
        assert all(0 <= after <= before for after, before in zip(fitted, repeats, strict=True))
