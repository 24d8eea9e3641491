import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.errors import InputError
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.schedule import check_rungs, decay_factor, rung_steps, trunk_factor

RECIPE = TrainingRecipe(batch=4, sequence_length=256, warmup_tokens=10_240, decay_share=0.1)


def test_trunk_and_branch_use_the_budget() -> None:
    assert rung_steps(RECIPE, 1024 * 100) == (90, 10)


@given(st.integers(0, 10**9), st.floats(0.001, 0.999))
def test_both_parts_have_a_step(tokens: int, share: float) -> None:
    recipe = RECIPE.model_copy(update={"decay_share": share})
    steps = rung_steps(recipe, tokens)
    assert min(steps) >= 1
    assert abs(sum(steps) * recipe.tokens_per_step - tokens) <= max(1024 * 2, 512)


def test_rate_rises_then_stays_then_falls() -> None:
    rates = [trunk_factor(RECIPE, step) for step in range(12)]
    assert rates == pytest.approx([step / 10 for step in range(1, 10)] + [1, 1, 1])
    assert [decay_factor(step, 3) for step in range(3)] == pytest.approx([0.75, 0.5, 0.25])


def test_no_warmup() -> None:
    assert trunk_factor(RECIPE.model_copy(update={"warmup_tokens": 0}), 0) == 1


@pytest.mark.parametrize("rungs", [[], [100_000, 100_000], [300_000, 100_000]])
def test_rungs_must_rise(rungs: list[int]) -> None:
    with pytest.raises(InputError, match="must rise"):
        check_rungs(RECIPE, rungs)


def test_warmup_ends_within_the_first_rung() -> None:
    check_rungs(RECIPE, [12_000, 36_000])
    with pytest.raises(InputError, match="warm-up of 10240"):
        check_rungs(RECIPE, [10_240, 36_000])
