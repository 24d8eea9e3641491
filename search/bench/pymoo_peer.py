"""NSGA-II of pymoo on a table, asked and told generation by generation."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.evaluator import Evaluator
from pymoo.core.problem import Problem
from pymoo.core.repair import Repair
from pymoo.core.termination import NoTermination
from pymoo.core.variable import Choice
from pymoo.operators.crossover.ux import UniformCrossover
from pymoo.operators.mutation.rm import ChoiceRandomMutation
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from pymoo.problems.static import StaticProblem

from nas_search.search.bench.replayed import Replayed
from nas_search.search.jobs import Progress
from nas_search.search.problem import Members
from nas_search.search.simulation.search_table import SearchTable
from nas_search.space.genome import Genome
from nas_search.space.genome_space import GenomeSpace

POPULATION = 50
_PATIENCE = 20
"""So many generations without a row that is new, and the search has come to its end."""

Codes = NDArray[np.int64]
"""[n, genes] positions of values among the choices of their genes."""


def replay_pymoo(table: SearchTable, trials: int, seed: int, progress: Progress) -> Replayed:
    """NSGA-II until it has seen ``trials`` rows; what it proposes again costs nothing.

    Genes are choices: uniform crossover and random resetting, after which an individual is repaired to a row.
    """
    members = table.problem().members
    points = np.column_stack([table.latencies, table.losses[:, -1]])
    algorithm, problem = _algorithm(members.space, seed)
    rows: dict[int, None] = {}
    thinking: list[float] = []
    idle = 0
    while len(rows) < trials and idle < _PATIENCE:
        started, before = time.perf_counter(), len(rows)
        generation = algorithm.ask()
        share = (time.perf_counter() - started) / max(len(generation), 1)
        found = _rows(members, generation.get("X"))
        Evaluator().eval(StaticProblem(problem, F=points[found]), generation)
        algorithm.tell(infills=generation)
        rows.update(dict.fromkeys(found))
        thinking += [share] * len(found)
        progress(min(len(rows), trials), trials)
        idle = idle + 1 if len(rows) == before else 0
    return Replayed(rows=tuple(rows)[:trials], thinking=tuple(thinking), seconds=None)


def _algorithm(space: GenomeSpace, seed: int) -> tuple[Any, Problem]:
    highest = np.array([len(gene.choices) - 1 for gene in space.genes])
    choices = {gene.name: Choice(options=np.arange(len(gene.choices))) for gene in space.genes}
    problem = Problem(vars=choices, n_obj=2, xl=np.zeros_like(highest), xu=highest)
    algorithm = NSGA2(
        pop_size=POPULATION,
        sampling=IntegerRandomSampling(),
        crossover=UniformCrossover(),
        mutation=ChoiceRandomMutation(),
        repair=_ToRows(space),
    )
    algorithm.setup(problem, termination=NoTermination(), seed=seed, verbose=False)
    return algorithm, problem


class _ToRows(Repair):  # type: ignore[misc]  # pymoo has no types
    """Moves an individual to a row of the table."""

    def __init__(self, space: GenomeSpace) -> None:
        super().__init__(vtype=int)
        self._space = space

    def _do(self, problem: Problem, X: Codes, **options: Any) -> Codes:  # noqa: N803 (pymoo calls it so)
        return np.array([_codes(self._space, self._space.repair(_genome(self._space, codes))) for codes in X])


def _genome(space: GenomeSpace, codes: Codes) -> Genome:
    return tuple(gene.choices[int(code)] for gene, code in zip(space.genes, codes, strict=True))


def _codes(space: GenomeSpace, genome: Genome) -> list[int]:
    return [gene.choices.index(value) for gene, value in zip(space.genes, genome, strict=True)]


def _rows(members: Members, codes: Codes) -> list[int]:
    prospects = members.prospects([_genome(members.space, one) for one in codes])
    return [int(prospect.fingerprint) for prospect in prospects]
