"""Training at full length: the trunk and the decay of short training, saved now and then on the way."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

from nas_search.errors import RunError
from nas_search.proxies.checkpoint import load_trunk, save_trunk, training_identity
from nas_search.proxies.data import Corpus
from nas_search.proxies.recipe import VALIDATION_BATCH, TrainingRecipe
from nas_search.proxies.schedule import RungSteps, check_rungs, rung_steps
from nas_search.proxies.short_training import out_of_memory_reason
from nas_search.proxies.trunk import NonFiniteLossError, OnStep, Trunk
from nas_search.proxies.windows import TrainingWindows, Windows, validation_windows
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM

Progress = Callable[[int, int], None]

TRUNK_FOLDER, DECAY_FOLDER = "trunk", "decay"
"""Where checkpoints are: up to the branch, from which more tokens can be trained, and after it."""
CHECKPOINT_SECONDS = 60.0
_SAVING_SHARE = 0.05
"""Of the time, at most, for checkpoints."""


@dataclass(frozen=True)
class FullTraining:
    """What a training at full length ended with.

    ``losses`` are those of held-out windows, in nats per token.
    """

    trunk: Trunk
    losses: tuple[float, ...]


def train_fully(
    architecture: Architecture,
    corpus: Corpus,
    recipe: TrainingRecipe,
    *,
    tokens: int,
    seed: int,
    folder: Path,
    device: str = "cpu",
    progress: Progress = lambda done, total: None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> FullTraining:
    """Train ``architecture`` on ``device`` for about ``tokens`` tokens, going on from what is saved in ``folder``.

    Interrupted and run again it gives what it would have given undisturbed: bit-identical on a CPU with the same number
    of threads. What is saved where the decay begins stays, so that the same training can go on to more tokens.
    ``progress`` is called after every step with tokens done and all tokens.

    Raises InputError for tokens and text that do not fit, RunError for a loss that is not finite and memory that runs
    out, OSError when a checkpoint cannot be written.
    """
    check_rungs(recipe, [tokens])
    held_out = validation_windows(corpus.validation, recipe.sequence_length, recipe.validation_tokens)
    windows = TrainingWindows(corpus.train, recipe.sequence_length, recipe.batch, seed)
    identity = training_identity(architecture, recipe, corpus.hash, seed)
    try:
        trunk = Trunk(architecture, recipe, seed, device)
        _Course(trunk, windows, rung_steps(recipe, tokens), identity, folder, progress, checkpoint_seconds).run()
        with trunk.precision():
            losses = window_losses(trunk.model, held_out)
    except NonFiniteLossError as error:
        raise RunError(f"{error}; a lower learning rate may help") from None
    except (MemoryError, RuntimeError) as error:
        raise RunError(out_of_memory_reason(error)) from None
    return FullTraining(trunk, losses)


@dataclass(frozen=True)
class _Course:
    """The way of one trunk to the end of its decay; ``identity`` is that of the trunk."""

    trunk: Trunk
    windows: TrainingWindows
    steps: RungSteps
    identity: str
    folder: Path
    progress: Progress
    checkpoint_seconds: float

    def run(self) -> None:
        """Go on from the last checkpoint, to the branch and through the decay."""
        trunk, (before, decay) = self.trunk, self.steps
        at_branch, in_decay = self.folder / TRUNK_FOLDER, self.folder / DECAY_FOLDER
        ending = hashlib.sha256(f"{self.identity} {before} {decay}".encode()).hexdigest()
        load_trunk(trunk, in_decay, ending, at_most=before + decay)
        if not trunk.steps:
            load_trunk(trunk, at_branch, self.identity, at_most=before)
        self._report(trunk.steps)
        if trunk.steps < before:
            trunk.train_to(before, self.windows, self._saving(at_branch, self.identity))
            _save(trunk, at_branch, self.identity)
        trunk.decay(decay, self.windows, self._saving(in_decay, ending), taken=trunk.steps - before)
        _save(trunk, in_decay, ending)

    def _saving(self, folder: Path, identity: str) -> OnStep:
        """Reports each step, and saves when it is time."""
        due = time.monotonic() + self.checkpoint_seconds

        def on_step(steps: int) -> None:
            nonlocal due
            self._report(steps)
            began = time.monotonic()
            if began >= due:
                _save(self.trunk, folder, identity)
                now = time.monotonic()
                due = now + max(self.checkpoint_seconds, (now - began) / _SAVING_SHARE)

        return on_step

    def _report(self, steps: int) -> None:
        per_step = self.trunk.recipe.tokens_per_step
        self.progress(steps * per_step, sum(self.steps) * per_step)


def window_losses(model: HybridLM, windows: Windows) -> tuple[float, ...]:
    """The loss of each window [n, length + 1] in nats per token. Raises NonFiniteLossError."""
    losses: list[float] = []
    with torch.inference_mode():
        for start in range(0, len(windows), VALIDATION_BATCH):
            part = torch.from_numpy(windows[start : start + VALIDATION_BATCH]).to(model.embedding.device)
            logits = model(part[:, :-1]).float().transpose(1, 2)
            losses += functional.cross_entropy(logits, part[:, 1:], reduction="none").mean(1).tolist()
    if not all(map(math.isfinite, losses)):
        raise NonFiniteLossError(f"validation loss became {math.fsum(losses) / len(losses)}")
    return tuple(losses)


def _save(trunk: Trunk, folder: Path, identity: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_trunk(trunk, folder, identity)
