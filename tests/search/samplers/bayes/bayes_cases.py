"""A small table with a smooth loss, and what others found in it."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import optuna
import pandas as pd
from optuna.trial import FrozenTrial
from sampler_cases import told

from nas_search.search.problem import FloatArray, PriorSource, Prospect, SearchProblem
from nas_search.search.samplers.bayes.observations import Observations, observe
from nas_search.search.simulation.search_table import SearchTable
from nas_search.space.genome import Genome

ROWS = pd.DataFrame(list(product(range(4), repeat=4)), columns=list("abcd"))
ROWS["ms"] = 1 + ROWS["a"] + 0.6 * ROWS["b"] + 0.3 * ROWS["c"] + 0.5 * ROWS["d"]
ROWS["loss"] = (
    2.5 - 0.3 * np.sqrt(ROWS["a"]) - 0.4 * np.sqrt(ROWS["b"]) - 0.2 * ROWS["c"] - 0.05 * ROWS["a"] * ROWS["d"]
)
TABLE = SearchTable.of(ROWS, list("abcd"), loss="loss", latency="ms")
PROBLEM = TABLE.problem()
GENOMES = TABLE.members.space.genomes


def rows(count: int, seed: int = 0) -> list[int]:
    """Different rows at random."""
    return [int(row) for row in np.random.default_rng(seed).permutation(len(GENOMES))[:count]]


def losses(chosen: Sequence[int]) -> FloatArray:
    """The true ones."""
    return TABLE.losses[list(chosen), 0]


def trials(chosen: Sequence[int], problem: SearchProblem = PROBLEM) -> list[FrozenTrial]:
    """Rows that were trained in this order."""
    return [told(problem, GENOMES[row], i, loss=float(TABLE.losses[row, 0])) for i, row in enumerate(chosen)]


def observed(chosen: Sequence[int], problem: SearchProblem = PROBLEM) -> Observations:
    """What there is to learn from them."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return observe(trials(chosen, problem), problem.goals, problem.space.genes)


def source(
    chosen: Sequence[int], *, same_score: bool, found: FloatArray | None = None, loss_sd: float = 0.0
) -> PriorSource:
    """Another run with these rows and their true losses, unless it ``found`` others."""
    genomes: tuple[Genome, ...] = tuple(GENOMES[row] for row in chosen)
    found = losses(chosen) if found is None else found
    features = TABLE.members.features(genomes)
    return PriorSource("runs/a", same_score, genomes, features, found, np.full(len(genomes), loss_sd))


def prospects(chosen: Sequence[int]) -> list[Prospect]:
    """What is known of rows before training."""
    return TABLE.members.prospects([GENOMES[row] for row in chosen])
