"""What weight normalisation adds to a training step.

    python experiments/benchmarks/weight_norm_cost.py [--quick]

Two trainings of the same network, one with and one without, take turns, some steps each; the projection by itself is
timed too. A ratio is the median over rounds of with / without, with a 95 % bootstrap interval: the target is at most
1.05. One thread, float32, CPU time of the thread. The last line is one JSON document.
"""

from __future__ import annotations

import json

import numpy as np
from comparison import Contestant, bootstrap_interval, cpu_ms, take_turns
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor
from training_benchmark import begin, versions

from nas_search.proxies.recipe import TrainingRecipe
from nas_search.proxies.trunk import Trunk
from nas_search.proxies.weight_norm import StreamWeights
from nas_search.proxies.windows import TrainingWindows
from nas_search.space.architecture import Architecture

MOST_RATIO = 1.05
NETWORKS = ("w64 (d f m2 f)x2", "w128 (d f m2 f a f)x2", "w256 (a f)x4", "w256 m f r7 f gla f gd f")
STEPS = 4
"""In one run."""
WARM_UP, ROUNDS, QUICK_ROUNDS = 1, 25, 3


def measure(notation: str, tokens: NDArray[np.uint8], rounds: int) -> dict[str, object]:
    """Milliseconds of a step without and with it and of the projection, and the ratio."""
    plain, normed = TrainingRecipe(warmup_tokens=0), TrainingRecipe(warmup_tokens=0, weight_norm=True)
    architecture = Architecture.parse(notation)
    windows = TrainingWindows(tokens, plain.sequence_length, plain.batch, seed=0)
    without, with_it = (Trunk(architecture, recipe, seed=0) for recipe in (plain, normed))
    weights = StreamWeights.of(Trunk(architecture, plain, seed=0).model)

    def project() -> tuple[Tensor, ...]:
        for _ in range(STEPS):
            weights.project()
        return ()

    contestants = [training(without, windows), training(with_it, windows), lambda: project]
    take_turns(contestants, WARM_UP, cpu_ms)
    times = take_turns(contestants, rounds, cpu_ms) / STEPS
    ratios = times[:, 1] / times[:, 0]
    low, high = bootstrap_interval(ratios)
    step, normed_step, projection = np.median(times, axis=0)
    return {
        "network": notation,
        "n": rounds,
        "step_ms": float(step),
        "normed_step_ms": float(normed_step),
        "projection_ms": float(projection),
        "ratio": float(np.median(ratios)),
        "ratio_low": low,
        "ratio_high": high,
    }


def training(trunk: Trunk, windows: TrainingWindows) -> Contestant:
    """Going on from where the trunk is."""

    def run() -> tuple[Tensor, ...]:
        trunk.train_to(trunk.steps + STEPS, windows, lambda _: None)
        return ()

    return lambda: run


def table_of(rows: list[dict[str, object]]) -> Table:
    table = Table("network", title="weight normalisation: CPU time of one training step, one thread")
    for column in ("n", "without, ms", "with, ms", "projection, ms", "with / without [95 %]"):
        table.add_column(column, justify="right")
    for row in rows:
        times = (f"{row[name]:.2f}" for name in ("step_ms", "normed_step_ms", "projection_ms"))
        ratio = f"{row['ratio']:.3f} [{row['ratio_low']:.3f}, {row['ratio_high']:.3f}]"
        table.add_row(str(row["network"]), str(row["n"]), *times, ratio)
    return table


def main() -> None:
    quick, tokens = begin("What weight normalisation adds to a training step.")
    rounds = QUICK_ROUNDS if quick else ROUNDS
    notations = track(NETWORKS, "networks", console=Console(stderr=True), transient=True)
    rows = [measure(notation, tokens, rounds) for notation in notations]
    Console(width=120).print(table_of(rows))
    reached = all(float(str(row["ratio_high"])) <= MOST_RATIO for row in rows)
    print(f"target, every interval of with / without at most {MOST_RATIO}: {'reached' if reached else 'NOT reached'}")
    print(json.dumps({"rows": rows, "steps": STEPS, "reached": reached, "versions": versions()}))


if __name__ == "__main__":
    main()
