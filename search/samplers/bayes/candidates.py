"""Members that are worth asking the model about: random ones, and relatives of those that did well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

import numpy as np

from nas_search.search.problem import Prospect, SearchProblem
from nas_search.search.samplers.evolution.children import crossover, mutation
from nas_search.space.genome import Genome
from nas_search.space.genome_space import GenomeSpace

RANDOM, MUTATED, CROSSED = 128, 128, 64
SECOND_MUTATION = 0.5
"""So often a mutated member is mutated once more."""


def random_members(space: GenomeSpace, count: int, rng: np.random.Generator) -> list[Genome]:
    """``count`` draws from the space."""
    return [space.sample(rng) for _ in range(count)]


def relatives(good: Sequence[Genome], space: GenomeSpace, rng: np.random.Generator) -> list[Genome]:
    """Mutations of ``good`` members and mixtures of two of them."""
    if not good:
        return []

    def one() -> Genome:
        return good[int(rng.integers(len(good)))]

    mixtures = [crossover(one(), one(), space, rng) for _ in range(CROSSED)]
    return [*(mutated(one(), space, rng) for _ in range(MUTATED)), *mixtures]


def mutated(genome: Genome, space: GenomeSpace, rng: np.random.Generator) -> Genome:
    """One or two changes of a member."""
    child = mutation(genome, space, rng)
    return mutation(child, space, rng) if rng.random() < SECOND_MUTATION else child


def new_prospects(genomes: Iterable[Genome], problem: SearchProblem, taken: Set[Genome]) -> list[Prospect]:
    """The different prospects of ``genomes`` that were not ``taken`` before (canonical genomes)."""
    different = {prospect.genome: prospect for prospect in problem.members.prospects(list(genomes))}
    return [prospect for genome, prospect in different.items() if genome not in taken]
