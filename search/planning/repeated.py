"""A sampler that proposes what another search proposed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas_search.search.problem import SearchProblem
from nas_search.search.samplers.base import GenomeSampler, History
from nas_search.search.samplers.factory import MakeSampler
from nas_search.space.genome import Genome
from nas_search.space.genome_space import GenomeSpace


class Repeated(GenomeSampler):
    """Proposal n is ``genome``; without any left to repeat a random member."""

    def __init__(self, space: GenomeSpace, rng: np.random.Generator, genome: Genome | None) -> None:
        super().__init__(space, rng)
        self._genome = genome

    @classmethod
    def maker(cls, genomes: Sequence[Genome]) -> MakeSampler:
        """Samplers that repeat ``genomes`` in their order."""

        def make(problem: SearchProblem, seed: int, proposal_index: int) -> Repeated:
            genome = genomes[proposal_index] if proposal_index < len(genomes) else None
            return cls(problem.space, np.random.default_rng([seed, proposal_index]), genome)

        return make

    def choose(self, history: History) -> Genome:
        """That genome."""
        return self.space.sample(self.rng) if self._genome is None else self._genome
