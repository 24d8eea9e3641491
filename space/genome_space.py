"""What samplers need of a space: genes, random members, neighbours of a member, and a member for any genome."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from nas_search.space.genome import Gene, Genome


class GenomeSpace(Protocol):
    """A set of genomes. :class:`~nas_search.space.search_space.SearchSpace` is one; a recorded table is another."""

    @property
    def genes(self) -> tuple[Gene, ...]:
        """The genes in the order of a genome's values."""

    def members(self) -> Iterator[Genome]:
        """All members, each once, in an order of their own."""

    def sample(self, rng: np.random.Generator) -> Genome:
        """A random member."""

    def mutate(self, genome: Genome, rng: np.random.Generator) -> Genome:
        """A member that differs from ``genome`` in one gene, then repaired. Raises ValueError if there is none."""

    def repair(self, genome: Genome) -> Genome:
        """A member for any choice of genes; a member is left as it is."""
