"""Children: one mutated factor of a parent, or a mixture of two; and the search for some that are worth a proposal."""

from __future__ import annotations

from collections.abc import Callable, Set

import numpy as np

from nas_search.search.problem import Prospect, SearchProblem
from nas_search.space.genome import Genome
from nas_search.space.genome_space import GenomeSpace

ROUNDS = 20
"""So often children are drawn again if they were there before or miss a limit: neither would be trained."""

Draw = Callable[[], Genome]
"""A new genome at each call."""


def mutation(parent: Genome, space: GenomeSpace, rng: np.random.Generator) -> Genome:
    """A member that differs in one factor (section 3), a random one where no such change builds anything else."""
    try:
        return space.mutate(parent, rng)
    except ValueError:
        return space.sample(rng)


def crossover(one: Genome, other: Genome, space: GenomeSpace, rng: np.random.Generator) -> Genome:
    """A member with each gene from either parent (uniform crossover), then repaired."""
    heads = rng.random(len(one)) < 0.5
    return space.repair(tuple(a if head else b for a, b, head in zip(one, other, heads, strict=True)))


def worthwhile(draw: Draw, count: int, problem: SearchProblem, taken: Set[Genome]) -> list[Prospect]:
    """Up to ``count`` different prospects that ``draw`` gives, none ``taken`` and all within the limits.

    If there are none after ROUNDS rounds it is the one that misses the limits least. ``taken`` are canonical genomes.
    """
    found: dict[Genome, Prospect] = {}
    nearest: list[tuple[float, Prospect]] = []
    for _ in range(ROUNDS):
        drawn = problem.members.prospects([draw() for _ in range(count - len(found))])
        missed = [(problem.goals.excess(prospect.figures), prospect) for prospect in drawn]
        found |= {one.genome: one for excess, one in missed if not excess and one.genome not in taken}
        nearest = [min([*nearest, *missed], key=lambda pair: pair[0])]
        if len(found) == count:
            break
    return list(found.values()) or [nearest[0][1]]
