"""A space whose members are the rows of a table: all combinations of its genes, or only those that were measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nas_search.space.genome import Gene, Genome
from nas_search.space.mutate import one_gene_changes

NEAREST = 8
"""So many rows count as neighbours of one from which no other differs in a single gene."""
_Ranks = NDArray[np.int32]
_Rows = NDArray[np.int64]
_Counts = NDArray[np.unsignedinteger]


class TableSpace:
    """The genomes of a table's rows, which all differ."""

    def __init__(self, genes: Sequence[Gene], genomes: Sequence[Genome]) -> None:
        """Choices of genes are in their natural order."""
        self._genes = tuple(genes)
        self.genomes = tuple(genomes)
        self._rows = {genome: row for row, genome in enumerate(self.genomes)}
        self._ranks = [{choice: rank for rank, choice in enumerate(gene.choices)} for gene in self._genes]
        self._count = np.min_scalar_type(len(self._genes))
        self._farthest = np.array([len(gene.choices) if is_ordinal(gene) else 1 for gene in self._genes])
        self.ranks: _Ranks = np.ascontiguousarray(np.stack([self._ranks_of(genome) for genome in self.genomes]).T)
        """[genes, rows] the place of each row's choice among the gene's."""

    @property
    def genes(self) -> tuple[Gene, ...]:
        """The columns that tell rows apart."""
        return self._genes

    def row(self, genome: Genome) -> int:
        """The row of a member."""
        return self._rows[genome]

    def members(self) -> Iterator[Genome]:
        """All rows."""
        return iter(self.genomes)

    def sample(self, rng: np.random.Generator) -> Genome:
        """A random row."""
        return self.genomes[int(rng.integers(len(self.genomes)))]

    def mutate(self, genome: Genome, rng: np.random.Generator) -> Genome:
        """A row that differs from ``genome`` in one gene, at random; without any, one of the nearest.

        Raises ValueError in a table of one row.
        """
        if len(self.genomes) == 1:
            raise ValueError("a table of one row has no neighbours")
        changes = one_gene_changes(genome, self.genes, rng)
        neighbour = next((change for change in changes if change in self._rows), None)
        return neighbour or self.genomes[int(rng.choice(self._nearest_others(genome)))]

    def repair(self, genome: Genome) -> Genome:
        """The row that differs in the fewest genes; of these the one whose choices are nearest, then the first.

        Numbers are as far apart as their ranks, other choices by one.
        """
        if genome in self._rows:
            return self.genomes[self._rows[genome]]
        distances = self._distances(genome)
        near = np.flatnonzero(distances == distances.min())
        return self.genomes[int(near[self._ranks_apart(genome, near).argmin()])]

    def _nearest_others(self, genome: Genome) -> _Rows:
        distances = self._distances(genome)
        others = np.flatnonzero(distances > 0)
        last = min(NEAREST, len(others)) - 1
        bound = np.partition(distances[others], last)[last]
        near: _Rows = others[distances[others] <= bound]
        order = np.lexsort((self._ranks_apart(genome, near), distances[near]))
        return near[order[:NEAREST]]

    def _distances(self, genome: Genome) -> _Counts:
        """[rows] in how many genes each differs from ``genome``.

        Counted in the smallest numbers that do: a proposal asks for them hundreds of times.
        """
        differs = self.ranks != self._ranks_of(genome)[:, None]
        distances: _Counts = np.add.reduce(differs, axis=0, dtype=self._count)
        return distances

    def _ranks_apart(self, genome: Genome, rows: _Rows) -> _Rows:
        apart = np.abs(self.ranks[:, rows] - self._ranks_of(genome)[:, None])
        distances: _Rows = np.minimum(apart, self._farthest[:, None]).sum(axis=0, dtype=np.int64)
        return distances

    def _ranks_of(self, genome: Genome) -> _Ranks:
        ranks = [places[choice] for places, choice in zip(self._ranks, genome, strict=True)]
        return np.array(ranks, dtype=np.int32)


def is_ordinal(gene: Gene) -> bool:
    """Whether the choices are numbers, whose order means something."""
    return all(isinstance(choice, int | float) for choice in gene.choices)
