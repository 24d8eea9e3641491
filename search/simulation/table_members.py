"""The members of a search in a table: its rows, with the latencies that it records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nas_search.search.problem import FloatArray, Prospect
from nas_search.search.simulation.table_space import TableSpace, is_ordinal
from nas_search.space.genome import Gene, Genome

LATENCY = "prefill:1"
"""The workload that a table's latency stands for; what was really timed does not matter to a search."""


@dataclass(frozen=True)
class Row:
    """A row as a member: its choices in words, and its number."""

    genome: Genome
    architecture: str
    fingerprint: str
    figures: dict[str, float]
    parameters: int = 0
    scored_as: str | None = None


class TableMembers:
    """Rows are told apart by their numbers. Nothing is known of their parameters, which are given as zero."""

    def __init__(self, space: TableSpace, latencies: FloatArray, features: FloatArray | None = None) -> None:
        """``latencies`` [rows] in milliseconds, above zero; ``features`` [rows, k] unless genes are to be those."""
        self._space = space
        self._rows = [
            _row(number, genome, latency, space.genes)
            for number, (genome, latency) in enumerate(zip(space.genomes, latencies.tolist(), strict=True))
        ]
        self._features = _features(space) if features is None else features

    @property
    def space(self) -> TableSpace:
        """The rows' genomes."""
        return self._space

    def prospects(self, genomes: Sequence[Genome]) -> list[Prospect]:
        """What is known of the rows nearest to any genomes; in their order."""
        return [self._rows[self._space.row(self._space.repair(genome))] for genome in genomes]

    def features(self, genomes: Sequence[Genome]) -> FloatArray:
        """[n, k] for rows' genomes: those of the table, or else from genes.

        Choices that are numbers give their rank from 0 to 1, others indicators.
        """
        return self._features[[self._space.row(genome) for genome in genomes]]


def _row(number: int, genome: Genome, latency: float, genes: Sequence[Gene]) -> Row:
    words = " ".join(f"{gene.name}={value}" for gene, value in zip(genes, genome, strict=True))
    return Row(genome, words, str(number), {LATENCY: latency})


def _features(space: TableSpace) -> FloatArray:
    columns: list[FloatArray] = []
    for gene, ranks in zip(space.genes, space.ranks, strict=True):
        count = len(gene.choices)
        if is_ordinal(gene):
            columns.append(ranks / max(count - 1, 1))
        else:
            columns += [np.where(ranks == choice, 1.0, 0.0) for choice in range(count)]
    return np.stack(columns, axis=1)
