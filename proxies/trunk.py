"""One candidate in training: network, optimiser, and how far it has come."""

import math
from collections.abc import Callable

import torch
from torch import nn

from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.schedule import decay_factor, trunk_factor
from nas_search.proxies.windows import TrainingWindows
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM

OnStep = Callable[[int], None]


class NonFiniteLossError(Exception):
    """The training or validation loss is no finite number any more."""


class Trunk:
    """A network and its optimiser on ``device`` after ``steps`` steps.

    ``losses`` holds the training loss in nats of each step. Everything follows from architecture, recipe and seed; what
    a step does depends on the trunk and on the step's number only, so a trunk that is saved and loaded goes on exactly
    as if it had not been.
    """

    def __init__(self, architecture: Architecture, recipe: TrainingRecipe, seed: int, device: str = "cpu") -> None:
        self.recipe = recipe
        self.device = torch.device(device)
        self.model = HybridLM(architecture, seed=seed).to(self.device)
        self.optimizer = _optimizer(self.model, recipe)
        self.losses: list[float] = []

    @property
    def steps(self) -> int:
        """Optimiser steps taken so far."""
        return len(self.losses)

    @property
    def tokens(self) -> int:
        """Tokens trained on so far."""
        return self.steps * self.recipe.tokens_per_step

    def train_to(self, steps: int, windows: TrainingWindows, on_step: OnStep) -> None:
        """Go on at the constant rate until ``steps`` are taken. Raises NonFiniteLossError."""
        while self.steps < steps:
            self._step(windows, trunk_factor(self.recipe, self.steps))
            on_step(self.steps)

    def decay(self, steps: int, windows: TrainingWindows, on_step: OnStep) -> None:
        """Take ``steps`` more while the rate falls to zero; this ends the trunk. Raises NonFiniteLossError."""
        for step in range(steps):
            self._step(windows, decay_factor(step, steps))
            on_step(self.steps)

    def _step(self, windows: TrainingWindows, factor: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * factor
        loss = self.model.loss(torch.from_numpy(windows.batch(self.steps)).to(self.device))
        value = loss.item()
        if not math.isfinite(value):
            raise NonFiniteLossError(f"training loss became {value} after {self.tokens} tokens")
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.losses.append(value)


def _optimizer(model: nn.Module, recipe: TrainingRecipe) -> torch.optim.AdamW:
    """AdamW that decays matrices only; vectors (norms, biases, decay rates) keep their scale."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim == 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim != 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=recipe.learning_rate,
        betas=(recipe.beta1, recipe.beta2),
        fused=True,
    )
