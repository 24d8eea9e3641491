"""Changing one factor of a genome."""

from collections.abc import Iterator, Sequence

import numpy as np

from nas_search.space.genome import Gene, Genome


def one_gene_changes(genome: Genome, genes: Sequence[Gene], rng: np.random.Generator) -> Iterator[Genome]:
    """Every genome that differs from ``genome`` in exactly one gene, each once, in random order.

    The gene is drawn first, so that one with many choices is not changed more often than one with few.
    """
    for index in rng.permutation(len(genes)):
        others = [choice for choice in genes[index].choices if choice != genome[index]]
        for position in rng.permutation(len(others)):
            yield (*genome[:index], others[position], *genome[index + 1 :])
