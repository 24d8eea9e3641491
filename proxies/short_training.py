"""The main proxy: train a candidate on a token budget and score it in bits per byte."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from nas_search.errors import InputError
from nas_search.proxies.checkpoint import load_trunk, save_trunk, save_weights, training_identity
from nas_search.proxies.data import Corpus
from nas_search.proxies.recipe import VALIDATION_BATCH, TrainingRecipe
from nas_search.proxies.rung_result import RungResult
from nas_search.proxies.schedule import RungSteps, check_rungs, rung_steps
from nas_search.proxies.trunk import NonFiniteLossError, Trunk
from nas_search.proxies.windows import TrainingWindows, Windows, validation_windows
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM

Progress = Callable[[int, int], None]

_NO_MEMORY = ("not enough memory", "DefaultCPUAllocator", "out of memory")


def train_rung(
    architecture: Architecture,
    corpus: Corpus,
    recipe: TrainingRecipe,
    *,
    rungs: Sequence[int],
    rung: int,
    seed: int,
    checkpoint_dir: Path,
    device: str = "cpu",
    keep_weights: Path | None = None,
    progress: Progress | None = None,
) -> RungResult:
    """Train ``architecture`` on ``device`` up to the token budget ``rungs[rung]`` and score it there.

    The trunk in ``checkpoint_dir`` is resumed when it belongs to the same training and has not gone too far, and
    saved before the decay branch, which runs on the copy in memory. Same arguments give the same score, resumed or
    not: bit-identical on a CPU with the same number of threads. ``keep_weights`` names a safetensors file for the
    scored weights. ``progress`` is called after every step with tokens done and the rung's tokens.

    A loss that is not finite and memory that runs out are results with a ``failure``. Raises InputError for rungs,
    vocabulary or text that do not fit, OSError when a checkpoint cannot be written.
    """
    check_rungs(recipe, rungs)
    _check_vocabulary(architecture, corpus)
    steps = rung_steps(recipe, rungs[rung])
    training = _RungTraining(architecture, corpus, recipe, steps, seed, device, checkpoint_dir, progress or _silent)
    started = time.perf_counter()
    bits, failure = None, None
    try:
        bits = training.run(keep_weights)
    except NonFiniteLossError as error:
        failure = str(error)
    except (MemoryError, RuntimeError) as error:
        failure = out_of_memory_reason(error)
    return training.result(rung, bits, failure, time.perf_counter() - started)


@dataclass
class _RungTraining:
    """One call of :func:`train_rung`: what it was given, and the trunk once it is built."""

    architecture: Architecture
    corpus: Corpus
    recipe: TrainingRecipe
    steps: RungSteps
    seed: int
    device: str
    folder: Path
    progress: Progress
    trunk: Trunk | None = None

    def __post_init__(self) -> None:
        length = self.recipe.sequence_length
        self.windows = TrainingWindows(self.corpus.train, length, self.recipe.batch, self.seed)
        self.held_out = validation_windows(self.corpus.validation, length, self.recipe.validation_tokens)

    def run(self, keep_weights: Path | None) -> float:
        """Validation loss in bits per byte after trunk and decay branch."""
        trunk = self._trunk_at_branch()
        trunk.decay(self.steps.decay, self.windows, self._report)
        with trunk.precision():
            bits = self._bits_per_byte(validation_loss(trunk.model, self.held_out))
        if keep_weights is not None:
            facts = {"architecture": self.architecture.notation, "tokens": str(trunk.tokens), "seed": str(self.seed)}
            save_weights(trunk, keep_weights, facts)
        return bits

    def result(self, rung: int, bits: float | None, failure: str | None, seconds: float) -> RungResult:
        """What came out, with the curve of the training loss as far as it got."""
        losses = self.trunk.losses if self.trunk else []
        tokens = self.trunk.tokens if self.trunk else 0
        points = [(step * self.recipe.tokens_per_step, self._bits_per_byte(loss)) for step, loss in thinned(losses)]
        return RungResult(rung=rung, tokens=tokens, bits_per_byte=bits, seconds=seconds, curve=points, failure=failure)

    def _trunk_at_branch(self) -> Trunk:
        """Resume or begin the trunk, train it up to the branch, and leave it on disk."""
        identity = training_identity(self.architecture, self.recipe, self.corpus.hash, self.seed)
        self.trunk = trunk = Trunk(self.architecture, self.recipe, self.seed, self.device)
        load_trunk(trunk, self.folder, identity, at_most=self.steps.trunk)
        if trunk.steps < self.steps.trunk:
            trunk.train_to(self.steps.trunk, self.windows, self._report)
            self.folder.mkdir(parents=True, exist_ok=True)
            save_trunk(trunk, self.folder, identity)
        return trunk

    def _report(self, steps: int) -> None:
        per_step = self.recipe.tokens_per_step
        self.progress(steps * per_step, sum(self.steps) * per_step)

    def _bits_per_byte(self, nats: float) -> float:
        return nats / math.log(2) / self.corpus.bytes_per_token


def validation_loss(model: HybridLM, windows: Windows) -> float:
    """Mean loss in nats per token over ``windows`` [n, length + 1]. Raises NonFiniteLossError."""
    total = 0.0
    with torch.inference_mode():
        for start in range(0, len(windows), VALIDATION_BATCH):
            part = torch.from_numpy(windows[start : start + VALIDATION_BATCH]).to(model.embedding.device)
            total += model.loss(part).item() * len(part)
    if not math.isfinite(total):
        raise NonFiniteLossError(f"validation loss became {total / len(windows)}")
    return total / len(windows)


def thinned(losses: Sequence[float], points: int = 50) -> list[tuple[int, float]]:
    """At most ``points`` pairs (steps so far, mean loss since the pair before) over equal pieces of the way."""
    piece = max(1, math.ceil(len(losses) / points))
    ends = range(piece, len(losses) + 1, piece)
    return [(end, math.fsum(losses[end - piece : end]) / piece) for end in ends]


def _check_vocabulary(architecture: Architecture, corpus: Corpus) -> None:
    if architecture.vocabulary < corpus.vocabulary:
        raise InputError(
            f"architecture {architecture.notation}: a vocabulary of {architecture.vocabulary} is too small for "
            f"text '{corpus.name}' in {corpus.vocabulary} tokens; write vocab={corpus.vocabulary}"
        )


def out_of_memory_reason(error: Exception) -> str:
    """The reason of a failed training when ``error`` says that memory ran out; any other error is raised again."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or any(mark in text for mark in _NO_MEMORY):
        return f"out of memory: {text[:200]}" if text else "out of memory"
    raise error


def _silent(done: int, total: int) -> None:
    """Progress that nobody watches."""
