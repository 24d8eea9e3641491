from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.search.rungs import FIXED_SHARE, SEED_SIGMA_BPB, Ladder, Standing, in_fixed_share

LADDER = Ladder.build(9 * 65_536, 65_536)
# A proposal that is not of the share that goes up regardless.
PLAIN = next(index for index in range(100) if not in_fixed_share(0, index))
LUCKY = next(index for index in range(100) if in_fixed_share(0, index))


def goes_up(candidate: Standing, *rivals: Standing, index: int = PLAIN) -> bool:
    return LADDER.goes_up(candidate, rivals, seed=0, proposal_index=index)


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_budgets_are_powers_of_three_apart_and_not_too_low(top: int, lowest: int) -> None:
    tokens = Ladder.build(top, lowest).tokens
    assert tokens[-1] == top
    assert all(low == high // 3 and low >= lowest for low, high in pairwise(tokens))
    assert len(tokens) == 1 or tokens[0] // 3 < lowest


def test_margins_shrink_to_the_seed_spread_at_the_top() -> None:
    margins = [LADDER.margin(rung) for rung in range(3)]
    assert margins == sorted(margins, reverse=True)
    assert margins[-1] == SEED_SIGMA_BPB


def test_a_candidate_stops_if_a_rival_at_most_as_slow_beats_it_by_the_margin() -> None:
    candidate = Standing((2.0,), (2.5,))
    margin = LADDER.margin(0)
    assert goes_up(candidate)
    assert not goes_up(candidate, Standing((2.0,), (2.49 - margin,)))
    assert not goes_up(candidate, Standing((1.0,), (2.49 - margin, 2.0)))
    assert goes_up(candidate, Standing((2.0,), (2.51 - margin,)))
    assert goes_up(candidate, Standing((2.1,), (1.0,)))


def test_a_rival_must_be_as_good_in_everything_known() -> None:
    candidate = Standing((2.0, -50.0), (2.5,))
    assert not goes_up(candidate, Standing((2.0, -50.0), (1.0,)))
    assert not goes_up(candidate, Standing((1.0, -60.0), (1.0,)))
    assert goes_up(candidate, Standing((1.0, -40.0), (1.0,)))


def test_losses_compare_only_at_equal_rung() -> None:
    candidate = Standing((2.0,), (2.5, 2.2))
    assert goes_up(candidate, Standing((1.0,), (1.0,)))
    assert goes_up(candidate, Standing((1.0,), (1.0, 2.2)))
    assert not goes_up(candidate, Standing((1.0,), (3.0, 2.0)))


def test_a_fixed_share_goes_up_regardless() -> None:
    assert goes_up(Standing((2.0,), (9.0,)), Standing((1.0,), (1.0,)), index=LUCKY)
    share = sum(in_fixed_share(3, index) for index in range(4000)) / 4000
    assert share == pytest.approx(FIXED_SHARE, abs=0.03)


def test_extrapolation_adds_the_median_change_of_rivals() -> None:
    rivals = [
        Standing((1.0,), (3.0, 2.8, 2.7)),
        Standing((1.0,), (3.0, 2.6)),
        Standing((1.0,), (3.0, 2.7)),
        Standing((1.0,), (2.0,)),
    ]
    assert LADDER.extrapolate(Standing((1.0,), (2.5,)), rivals) == pytest.approx(2.5 - 0.3 - 0.1)
    assert LADDER.extrapolate(Standing((1.0,), (2.5, 2.4)), rivals) == pytest.approx(2.3)


def test_without_rivals_no_change_is_assumed() -> None:
    assert LADDER.extrapolate(Standing((1.0,), (2.5,)), []) == 2.5
