"""How well an architecture learns to recall what it has read: what attention layers are for, and a loss hardly shows.

A network with the architecture's operators and width, and the task's tokens, is trained on the task from scratch for a
fixed number of steps. With Muon: plain attention, which has to find out by itself that a value stands after its key,
does so much sooner than with AdamW.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nas_search.errors import RunError
from nas_search.proxies.optimizers import make_optimizers, set_rate
from nas_search.proxies.recall_result import RecallResult, RecallScore
from nas_search.proxies.recall_tasks import NO_ANSWER, Questions, RecallTask, parse_task
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.schedule import decay_factor
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM

BATCH, HELD_OUT = 32, 512
WARMUP_STEPS, DECAY_SHARE = 20, 0.2
RECIPE = TrainingRecipe(optimizer="muon", learning_rate=3e-3)
_HELD_OUT_STREAM = 1

Progress = Callable[[int, int], None]


class Recall(RecallScore):
    """The score of an architecture, with all that it depends on."""

    architecture: str
    task: str
    length: int
    pairs: int
    steps: int
    chance: float


def measure_recall(
    architecture: Architecture,
    task: RecallTask,
    *,
    steps: int = 400,
    seeds: Sequence[int] = (0, 1, 2),
    device: str = "cpu",
    progress: Progress = lambda done, total: None,
) -> Recall:
    """Train ``architecture`` on ``task`` once for each seed, and ask about sequences that no training saw.

    Meta tokens, head and operators are the architecture's. ``progress`` is called after each step with the steps done,
    and those of all seeds. Raises RunError if a loss is not finite.
    """
    accuracies = []
    for place, seed in enumerate(seeds):
        report = partial(_report, progress, place * steps, len(seeds) * steps)
        accuracies.append(train_recall(architecture, task, steps, seed, device=device, progress=report))
    return Recall(
        architecture=architecture.notation,
        task=task.name,
        length=task.length,
        pairs=task.pairs,
        steps=steps,
        chance=1 / task.kinds,
        accuracies=tuple(accuracies),
    )


def train_recall(
    architecture: Architecture,
    task: RecallTask,
    steps: int,
    seed: int,
    *,
    device: str = "cpu",
    progress: Progress = lambda done, total: None,
) -> float:
    """Train once, and return the share of questions about held-out sequences that are answered right.

    ``progress`` is called after each step. Raises RunError if a loss is not finite.
    """
    model = HybridLM(architecture.model_copy(update={"vocabulary": task.vocabulary}), seed=seed).to(device)
    for done in train_on(model, task, steps, seed):
        progress(done, steps)
    return accuracy(model, task.draw(HELD_OUT, np.random.default_rng([_HELD_OUT_STREAM, 0])))


def recall_result(
    architecture: Architecture, task: str, *, pairs: int, steps: int, seed: int, device: str, progress: Progress
) -> RecallResult:
    """What :func:`train_recall` gives for a task, by its name as an objective; a loss that is not finite fails."""
    started = time.perf_counter()
    try:
        found = train_recall(architecture, parse_task(task, pairs), steps, seed, device=device, progress=progress)
        failure = None
    except RunError as error:
        found, failure = None, str(error)
    return RecallResult(task=task, seed=seed, accuracy=found, seconds=time.perf_counter() - started, failure=failure)


def train_on(model: HybridLM, task: RecallTask, steps: int, seed: int) -> Iterator[int]:
    """Train on fresh sequences, the same for every network of a seed; yields how many steps are done."""
    optimizers = make_optimizers(model, RECIPE)
    rng = np.random.default_rng([0, seed])
    for step in range(steps):
        set_rate(optimizers, rate_factor(step, steps))
        logits, answers = _asked(model, task.draw(BATCH, rng))
        loss = functional.cross_entropy(logits, answers)
        if not torch.isfinite(loss):
            raise RunError(f"{model.architecture.notation}: the loss became {loss.item()} after {step} steps of recall")
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), RECIPE.clip_norm)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        yield step + 1


def rate_factor(step: int, steps: int) -> float:
    """Share of the full learning rate: it rises over WARMUP_STEPS and falls over the last DECAY_SHARE of all steps."""
    decay = max(1, round(DECAY_SHARE * steps))
    return min(1.0, (step + 1) / WARMUP_STEPS, decay_factor(max(-1, step - steps + decay), decay))


@torch.inference_mode()
def accuracy(model: HybridLM, questions: Questions) -> float:
    """The share of answers that the network finds the likeliest token."""
    right = 0
    for start in range(0, len(questions.tokens), BATCH):
        logits, answers = _asked(model, Questions(*(part[start : start + BATCH] for part in questions)))
        right += int((logits.argmax(-1) == answers).sum())
    return right / int((questions.answers != NO_ANSWER).sum())


def _asked(model: HybridLM, questions: Questions) -> tuple[Tensor, Tensor]:
    """Logits [q, V] and answers [q] of all questions of a batch."""
    tokens, answers = (torch.from_numpy(part).to(model.embedding.device) for part in questions)
    asked = answers != NO_ANSWER
    logits: Tensor = model(tokens)[asked]
    return logits, answers[asked]


def _report(progress: Progress, before: int, total: int, done: int, _: int) -> None:
    progress(before + done, total)
