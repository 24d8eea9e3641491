"""Small tables to search in, and samplers whose proposals are known beforehand."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from optuna.samplers import BaseSampler

from nas_search.search.problem import SearchProblem
from nas_search.search.samplers.base import GenomeSampler, History
from nas_search.search.simulation.search_table import RungColumns, SearchTable
from nas_search.search.simulation.simulate import Replay
from nas_search.search.simulation.table_space import TableSpace
from nas_search.space.genome import Genome

GENES = ("depth", "mixer", "wide", "ratio")
CHOICES: tuple[tuple[Any, ...], ...] = ((1, 2, 4, 8, 16), ("a", "d", "m2"), (False, True), (0.5, 1.0, 2.0, 3.5))
RUNGS = (RungColumns(100, "loss_100"), RungColumns(300, "loss_300"), RungColumns(900, "loss"))


def frame(seed: int = 0) -> pd.DataFrame:
    """All 120 rows; losses fall with the rung, latencies rise with the depth, seconds follow no rule."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(list(itertools.product(*CHOICES)), columns=list(GENES))
    rows["ms"] = rows["depth"] * rows["ratio"] + rng.uniform(0.1, 1.0, len(rows))
    rows["loss"] = 3 - 0.1 * np.log2(rows["ms"]) + rng.uniform(0, 0.3, len(rows))
    rows["loss_300"] = rows["loss"] + 0.2 + rng.normal(0, 0.03, len(rows))
    rows["loss_100"] = rows["loss_300"] + 0.4 + rng.normal(0, 0.03, len(rows))
    rows["seconds"] = rng.uniform(10, 1000, len(rows)).round(3)
    return rows


def table(rows: pd.DataFrame | None = None, genes: Sequence[str] = GENES, **fields: Any) -> SearchTable:
    """A table with one rung unless ``fields`` say otherwise."""
    rows = frame() if rows is None else rows
    return SearchTable.of(rows, genes, **({"loss": "loss", "latency": "ms"} | fields))


def laddered(rows: pd.DataFrame | None = None) -> SearchTable:
    """A table with three rungs."""
    return SearchTable(frame() if rows is None else rows, GENES, "ms", RUNGS, "seconds")


class OneRow(GenomeSampler):
    """Always the same row."""

    def __init__(self, space: TableSpace, row: int) -> None:
        super().__init__(space, np.random.default_rng(0))
        self.genome = space.genomes[row]

    def choose(self, history: History) -> Genome:
        return self.genome


def in_row_order(problem: SearchProblem, seed: int, proposal_index: int) -> BaseSampler:
    """Proposal n is row n."""
    assert isinstance(problem.space, TableSpace)
    return OneRow(problem.space, proposal_index)


def essence(replay: Replay) -> list[Any]:
    """Everything of the records but clock times."""
    return [record.model_dump(exclude={"finished_at"}) for record in replay.records]
