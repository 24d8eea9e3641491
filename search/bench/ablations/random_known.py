"""Random search that uses what is known: an ablation, to see what knowing latencies is worth without any model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from optuna.samplers import BaseSampler

from nas_search.search.problem import FloatArray, SearchProblem
from nas_search.search.samplers.base import GenomeSampler, History, genome_of
from nas_search.space.genome import Genome

DRAWS = 256
"""Random members for each proposal: they stand for the latencies of the space."""
STRIPS = 16


class RandomKnownLatency(GenomeSampler):
    """A random member out of the strip of latencies that was tried least.

    Strips are those between the quantiles of the latencies of ``DRAWS`` random members, so that plain random members
    would fall into each equally often; these do so in turn.
    """

    def __init__(self, problem: SearchProblem, rng: np.random.Generator) -> None:
        super().__init__(problem.space, rng)
        self.problem = problem

    def choose(self, history: History) -> Genome:
        """The first draw in the strip that has the fewest trials; of equal strips a random one."""
        draws = [self.space.sample(self.rng) for _ in range(DRAWS)]
        latencies = self._latencies(draws)
        edges = np.unique(np.quantile(latencies, np.linspace(0, 1, STRIPS + 1)[1:-1]))
        tried = [genome_of(trial.params, self.space.genes) for trial in history.complete]
        counts = np.bincount(
            np.searchsorted(edges, self._latencies([*tried, *history.running])), minlength=len(edges) + 1
        )
        strips = np.searchsorted(edges, latencies)
        order = self.rng.permutation(np.unique(strips))
        return draws[int(np.argmax(strips == min(order, key=lambda strip: counts[strip])))]

    def _latencies(self, genomes: Sequence[Genome]) -> FloatArray:
        return np.array([self.problem.latency(prospect) for prospect in self.problem.members.prospects(genomes)])


def random_known(problem: SearchProblem, seed: int, proposal_index: int) -> BaseSampler:
    """The sampler of one proposal."""
    return RandomKnownLatency(problem, np.random.default_rng([seed, proposal_index]))
