"""When short training steps, and at which rate: warm-up, constant trunk, linear decay branch.

A candidate has one trunk at a constant learning rate. The score at a rung comes from a branch that leaves the trunk
shortly before the rung's budget and decays the rate linearly, so that trunk and branch together use the budget.
The trunk itself goes on from where the branch left it (Hu et al. 2024, "MiniCPM", section 4: warm-up, stable, decay).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from nas_search.errors import InputError
from nas_search.proxies.recipe import TrainingRecipe


class RungSteps(NamedTuple):
    """Optimiser steps from the first one of the trunk to the branching point, and in the branch."""

    trunk: int
    decay: int


def rung_steps(recipe: TrainingRecipe, tokens: int) -> RungSteps:
    """Split a budget of ``tokens`` into steps of the trunk and of the decay branch, both at least one."""
    total = max(2, round(tokens / recipe.tokens_per_step))
    decay = min(max(1, round(total * recipe.decay_share)), total - 1)
    return RungSteps(trunk=total - decay, decay=decay)


def check_rungs(recipe: TrainingRecipe, rungs: Sequence[int]) -> None:
    """Raise InputError unless budgets rise and the warm-up ends within the first one's trunk."""
    if not rungs or any(low >= high for low, high in pairwise(rungs)):
        raise InputError(f"rungs {list(rungs)}: token budgets must rise from rung to rung")
    trunk_tokens = rung_steps(recipe, rungs[0]).trunk * recipe.tokens_per_step
    if recipe.warmup_tokens > trunk_tokens:
        raise InputError(
            f"rungs: the first budget of {rungs[0]} tokens trains {trunk_tokens} before its decay, less than the "
            f"warm-up of {recipe.warmup_tokens}; give a larger budget or a shorter warm-up"
        )


def trunk_factor(recipe: TrainingRecipe, step: int) -> float:
    """Share of the full learning rate at a step of the trunk: rises linearly to 1 over the warm-up."""
    return min(1.0, (step + 1) * recipe.tokens_per_step / max(1, recipe.warmup_tokens))


def decay_factor(step: int, steps: int) -> float:
    """Share of the full learning rate at ``step`` of a branch of ``steps``: a line that ends just above zero."""
    return 1.0 - (step + 1) / (steps + 1)
