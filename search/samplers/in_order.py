"""All members of a space in order: for spaces that are small enough to try every one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

import numpy as np

from nas_search.search.samplers.base import GenomeSampler, History
from nas_search.space.genome import Genome
from nas_search.space.genome_space import GenomeSpace


class MembersInOrder(GenomeSampler):
    """Proposal n is member n, whatever happened before; after the last member comes the first again."""

    def __init__(self, space: GenomeSpace, rng: np.random.Generator, proposal_index: int) -> None:
        super().__init__(space, rng)
        self._index = proposal_index

    def choose(self, history: History) -> Genome:
        """The proposal's member."""
        return _members(self.space).at(self._index)  # type: ignore[arg-type]  # spaces have a hash


class _Members:
    """The members of a space, as far as they were asked for."""

    def __init__(self, space: GenomeSpace) -> None:
        self._found: list[Genome] = []
        self._rest: Iterator[Genome] = space.members()

    def at(self, index: int) -> Genome:
        self._found += islice(self._rest, max(0, index + 1 - len(self._found)))
        return self._found[index % len(self._found)]


@lru_cache(maxsize=4)
def _members(space: GenomeSpace) -> _Members:
    return _Members(space)
