"""What our trainer costs beside the training itself: against a plain loop over the same network.

    python experiments/benchmarks/training_overhead.py [--quick]

Both train a network of the same seed on the same windows with the same optimiser, clipped alike. The plain loop is
the one below: a constant rate, no progress, no curve of losses, batches made beforehand. Losses are checked to be
equal, then both take turns, some steps each; :mod:`comparison` says how times are taken. The target is a ratio of
plain to ours of at least 0.97. One thread, float32. The last line is one JSON document.
"""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import torch
from comparison import OURS, Comparison, Rounds, Row, Run, compare, comparison_table
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn
from training_benchmark import begin, versions

from nas_search.proxies.optimizers import make_optimizers
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.trunk import Trunk
from nas_search.proxies.windows import TrainingWindows
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM

TARGET_RATIO = 0.97
NETWORKS = ("w64 (d f m2 f)x2", "w128 (a f m2 f)x2", "w192 (a f)x4")
"""The smallest first: there the host's share is the largest."""
RECIPES = {
    "adamw": TrainingRecipe(warmup_tokens=0),
    "muon, weight norm": TrainingRecipe(warmup_tokens=0, optimizer="muon", weight_norm=True),
}
STEPS = 4
"""In one run."""
FULL, QUICK = Rounds(least=15, most=60, seconds=40), Rounds(least=3, most=5, seconds=4)


class PlainLoop:
    """Training as one writes it in a script, on batches that are tensors already."""

    def __init__(self, architecture: Architecture, recipe: TrainingRecipe, batches: Tensor) -> None:
        self.model = HybridLM(architecture, seed=0)
        self.recipe, self.batches, self.done = recipe, batches, 0
        self.optimizers = make_optimizers(self.model, recipe)
        reads, writes = ("qkv_proj", "in_proj", "gate_up_proj"), ("out_proj",)
        layers = dict(self.model.named_modules())
        self.rows = [layer.weight for name, layer in layers.items() if name.endswith(reads)]
        self.columns = [layer.weight for name, layer in layers.items() if name.endswith(writes)]

    def take(self, steps: int) -> float:
        """The last loss."""
        for _ in range(steps):
            loss = self.model.loss(self.batches[self.done % len(self.batches)])
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
            for optimizer in self.optimizers:
                optimizer.step()
                optimizer.zero_grad()
            if self.recipe.weight_norm:
                self.normalise()
            self.done += 1
        return float(loss.item())

    @torch.no_grad()
    def normalise(self) -> None:
        """Unit rows and columns."""
        for weight in self.rows:
            weight.div_(weight.norm(dim=1, keepdim=True))
        for weight in self.columns:
            weight.div_(weight.norm(dim=0, keepdim=True))


def comparison_of(notation: str, name: str, tokens: NDArray[np.uint8]) -> Comparison:
    """Ours and the plain loop, each going on from where it is at every run."""
    architecture, recipe = Architecture.parse(notation), RECIPES[name]
    windows = TrainingWindows(tokens, recipe.sequence_length, recipe.batch, seed=0)
    trunk = Trunk(architecture, recipe, seed=0)
    # As many batches as the longest run takes, so that both see the same.
    batches = torch.from_numpy(np.stack([windows.batch(step) for step in range(STEPS * (FULL.most + 1))]))
    plain = PlainLoop(architecture, recipe, batches)

    def ours() -> tuple[Tensor]:
        trunk.train_to(trunk.steps + STEPS, windows, lambda _: None)
        return (torch.tensor(trunk.losses[-1]),)

    def theirs() -> tuple[Tensor]:
        return (torch.tensor(plain.take(STEPS)),)

    contestants = {OURS: lambda: ready(ours), "plain loop": lambda: ready(theirs)}
    return Comparison(notation, name, f"{notation}, {name}", contestants, tokens=STEPS)


def ready(run: Run) -> Run:
    return run


def verdict(rows: list[Row]) -> str:
    low = min(row.ratio_low for row in rows if row.contestant != OURS)
    reached = "reached" if low > TARGET_RATIO else "NOT reached"
    return f"target, every interval of plain / ours above {TARGET_RATIO}: {reached}"


def main() -> None:
    quick, tokens = begin("Our trainer against a plain loop.")
    rounds = QUICK if quick else FULL
    cases = [(notation, name) for name in RECIPES for notation in NETWORKS]
    waiting = Console(stderr=True)
    rows = [
        row
        for notation, name in track(cases, "networks", console=waiting, transient=True)
        for row in compare(comparison_of(notation, name, tokens), rounds)
    ]
    recipe = RECIPES["adamw"]
    title = f"one training step of {recipe.batch} x {recipe.sequence_length} tokens, one thread, CPU time"
    Console(width=120).print(comparison_table(rows, title))
    print(verdict(rows))
    print(json.dumps({"rows": [asdict(row) for row in rows], "steps": STEPS, "versions": versions()}))


if __name__ == "__main__":
    main()
