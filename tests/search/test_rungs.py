from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.schedule import rung_steps
from nas_search.search.rungs import Ladder


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_budgets_are_powers_of_three_apart_and_not_too_low(top: int, lowest: int) -> None:
    tokens = Ladder.build(top, lowest).tokens
    assert tokens[-1] == top
    assert all(low == high // 3 and low >= lowest for low, high in pairwise(tokens))
    assert len(tokens) == 1 or tokens[0] // 3 < lowest


@given(st.floats(0.01, 0.99), st.integers(3, 10**7), st.integers(1, 10**6))
def test_all_rungs_together_train_the_top_budget_and_the_branches_below(share: float, top: int, lowest: int) -> None:
    ladder = Ladder.build(top, lowest)
    branches = share * sum(ladder.tokens[:-1])
    assert sum(ladder.work(share)) == pytest.approx(top + branches)


def test_work_is_that_of_the_schedule() -> None:
    recipe = TrainingRecipe.model_validate({})
    ladder = Ladder.build(393_216, 14_000)
    steps = [rung_steps(recipe, tokens) for tokens in ladder.tokens]
    further = [high.trunk - low.trunk + high.decay for low, high in pairwise(steps)]
    tokens = [recipe.tokens_per_step * count for count in (sum(steps[0]), *further)]
    assert ladder.work(recipe.decay_share) == pytest.approx(tokens, abs=2 * recipe.tokens_per_step)
