"""One candidate in training: network, optimisers, and how far it has come."""

import math
from collections.abc import Callable

import torch
from torch import nn

from nas_search.proxies.optimizers import make_optimizers, set_rate
from nas_search.proxies.recipe import Precision, TrainingRecipe
from nas_search.proxies.schedule import decay_factor, trunk_factor
from nas_search.proxies.weight_norm import StreamWeights
from nas_search.proxies.windows import TrainingWindows
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM

OnStep = Callable[[int], None]


class NonFiniteLossError(Exception):
    """The training or validation loss is no finite number any more."""


class Trunk:
    """A network and its optimisers on ``device`` after ``steps`` steps.

    ``losses`` holds the training loss in nats of each step. Everything follows from architecture, recipe and seed; what
    a step does depends on the trunk and on the step's number only, so a trunk that is saved and loaded goes on exactly
    as if it had not been.
    """

    def __init__(self, architecture: Architecture, recipe: TrainingRecipe, seed: int, device: str = "cpu") -> None:
        self.recipe = recipe
        self.device = torch.device(device)
        self.model = HybridLM(architecture, seed=seed)
        self._projected = StreamWeights.of(self.model) if recipe.weight_norm else None
        self.model.to(self.device)
        self.optimizers = make_optimizers(self.model, recipe)
        self.losses: list[float] = []

    @property
    def steps(self) -> int:
        """Optimiser steps taken so far."""
        return len(self.losses)

    @property
    def tokens(self) -> int:
        """Tokens trained on so far."""
        return self.steps * self.recipe.tokens_per_step

    def precision(self) -> torch.autocast:
        """A context in which the network computes as the recipe says; for losses, not for their gradients."""
        half = computes_in_half(self.recipe.precision, self.device)
        return torch.autocast(self.device.type, torch.bfloat16, enabled=half)

    def train_to(self, steps: int, windows: TrainingWindows, on_step: OnStep) -> None:
        """Go on at the constant rate until ``steps`` are taken. Raises NonFiniteLossError."""
        while self.steps < steps:
            self._step(windows, trunk_factor(self.recipe, self.steps))
            on_step(self.steps)

    def decay(self, steps: int, windows: TrainingWindows, on_step: OnStep, *, taken: int = 0) -> None:
        """Take the rest of ``steps``, of which some are ``taken``, while the rate falls to zero; this ends the trunk.

        Raises NonFiniteLossError.
        """
        for step in range(taken, steps):
            self._step(windows, decay_factor(step, steps))
            on_step(self.steps)

    def _step(self, windows: TrainingWindows, factor: float) -> None:
        set_rate(self.optimizers, factor)
        with self.precision():
            loss = self.model.loss(torch.from_numpy(windows.batch(self.steps)).to(self.device))
        value = loss.item()
        if not math.isfinite(value):
            raise NonFiniteLossError(f"training loss became {value} after {self.tokens} tokens")
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if self._projected is not None:
            self._projected.project()
        self.losses.append(value)


def computes_in_half(precision: Precision, device: torch.device) -> bool:
    """Whether forward and backward passes on ``device`` run in bfloat16."""
    if precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return precision == "bfloat16"
