import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nas_search.proxies.data import Corpus
from nas_search.proxies.recipe import Precision, TrainingRecipe
from nas_search.proxies.short_training import train_rung
from nas_search.proxies.trunk import NonFiniteLossError, Trunk, computes_in_half
from nas_search.proxies.windows import TrainingWindows
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM
from nas_search.space.operators.registry import operator_types


@pytest.fixture
def windows(corpus: Corpus, recipe: TrainingRecipe) -> TrainingWindows:
    return TrainingWindows(corpus.train, recipe.sequence_length, recipe.batch, seed=0)


def test_only_matrices_decay(architecture: Architecture, recipe: TrainingRecipe) -> None:
    trunk = Trunk(architecture, recipe, seed=0)
    decayed = {
        id(weight): group["weight_decay"] for group in trunk.optimizers[0].param_groups for weight in group["params"]
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
    trunk.decay(4, windows, lambda _: rates.append(trunk.optimizers[0].param_groups[0]["lr"]))
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


@pytest.mark.parametrize("code", operator_types())
def test_half_precision_learns_the_same(recipe: TrainingRecipe, windows: TrainingWindows, code: str) -> None:
    architecture = Architecture.parse(f"w32 meta=2 {code} f")
    half = recipe.model_copy(update={"precision": "bfloat16"})
    exact, rounded = (Trunk(architecture, asked, seed=0) for asked in (recipe, half))
    for trunk in (exact, rounded):
        trunk.train_to(4, windows, lambda _: None)
    assert rounded.losses != exact.losses
    assert rounded.losses == pytest.approx(exact.losses, rel=5e-3)
    assert {weight.dtype for weight in rounded.model.parameters()} == {torch.float32}
    moments = [value for state in rounded.optimizers[0].state.values() for value in state.values()]
    assert {moment.dtype for moment in moments} == {torch.float32}


@pytest.mark.parametrize(
    ("precision", "device", "has_bfloat16", "expected"),
    [
        ("auto", "cpu", True, False),
        ("auto", "cuda", True, True),
        ("auto", "cuda", False, False),
        ("float32", "cuda", True, False),
        ("bfloat16", "cpu", False, True),
    ],
)
def test_precision_follows_the_device(
    monkeypatch: pytest.MonkeyPatch, precision: Precision, device: str, has_bfloat16: bool, expected: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *, including_emulation: has_bfloat16)
    assert computes_in_half(precision, torch.device(device)) == expected


def test_a_score_is_computed_as_training_was(
    architecture: Architecture, corpus: Corpus, recipe: TrainingRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    formats: list[torch.dtype] = []
    monkeypatch.setattr(HybridLM, "loss", formats_of_logits(formats))
    asked = recipe.model_copy(update={"precision": "bfloat16"})
    train_rung(architecture, corpus, asked, rungs=[512], rung=0, seed=0, checkpoint_dir=tmp_path)
    assert formats == [torch.bfloat16] * len(formats)
    assert len(formats) == 8 + 1  # steps, and one batch of windows to score


def formats_of_logits(found: list[torch.dtype]) -> Callable[[HybridLM, Tensor], Tensor]:
    loss = HybridLM.loss

    def noted(model: HybridLM, tokens: Tensor) -> Tensor:
        found.append(model(tokens[:, :-1]).dtype)
        return loss(model, tokens)

    return noted
