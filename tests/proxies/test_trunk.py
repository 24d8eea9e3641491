import math

import pytest
import torch
from torch import nn

from nas_search.proxies.data import Corpus
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.trunk import NonFiniteLossError, Trunk
from nas_search.proxies.windows import TrainingWindows
from nas_search.space.architecture import Architecture


@pytest.fixture
def windows(corpus: Corpus, recipe: TrainingRecipe) -> TrainingWindows:
    return TrainingWindows(corpus.train, recipe.sequence_length, recipe.batch, seed=0)


def test_only_matrices_decay(architecture: Architecture, recipe: TrainingRecipe) -> None:
    trunk = Trunk(architecture, recipe, seed=0)
    decayed = {
        id(weight): group["weight_decay"] for group in trunk.optimizer.param_groups for weight in group["params"]
    }
    expected = {id(weight): 0.1 if weight.ndim == 2 else 0.0 for weight in trunk.model.parameters()}
    assert decayed == expected
    assert set(decayed.values()) == {0.0, 0.1}


def test_one_step_is_clipped_adamw(
    architecture: Architecture, recipe: TrainingRecipe, windows: TrainingWindows
) -> None:
    """Against the plain loop: gradients, clipping, and the unfused optimiser."""
    recipe = recipe.model_copy(update={"weight_decay": 0.0, "warmup_tokens": 0, "clip_norm": 1e-2})
    trunk, plain = (Trunk(architecture, recipe, seed=0) for _ in range(2))
    optimizer = torch.optim.AdamW(plain.model.parameters(), lr=5e-3, betas=(0.9, 0.95), weight_decay=0.0)
    for step in range(3):
        torch.autograd.backward(plain.model.loss(torch.from_numpy(windows.batch(step))))
        nn.utils.clip_grad_norm_(plain.model.parameters(), 1e-2)
        optimizer.step()
        optimizer.zero_grad()
    trunk.train_to(3, windows, lambda _: None)
    for weight, expected in zip(trunk.model.parameters(), plain.model.parameters(), strict=True):
        torch.testing.assert_close(weight, expected)


def test_decay_takes_ever_smaller_steps(
    architecture: Architecture, recipe: TrainingRecipe, windows: TrainingWindows
) -> None:
    rates: list[float] = []
    trunk = Trunk(architecture, recipe, seed=0)
    trunk.decay(4, windows, lambda _: rates.append(trunk.optimizer.param_groups[0]["lr"]))
    assert rates == pytest.approx([5e-3 * share for share in (0.8, 0.6, 0.4, 0.2)])
    assert (trunk.steps, trunk.tokens) == (4, 4 * 64)


def test_a_loss_that_is_not_finite_stops_before_it_is_recorded(
    architecture: Architecture, recipe: TrainingRecipe, windows: TrainingWindows
) -> None:
    trunk = Trunk(architecture, recipe, seed=0)
    trunk.train_to(2, windows, lambda _: None)
    nn.init.constant_(trunk.model.norm.weight, math.nan)
    with pytest.raises(NonFiniteLossError, match="training loss became nan after 128 tokens"):
        trunk.train_to(3, windows, lambda _: None)
    assert trunk.steps == 2
