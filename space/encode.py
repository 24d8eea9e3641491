"""The way back: which plan of a space gives a sequence of operators.

The stages are matched from left to right by depth-first search. A stage prefers to cover as much as it can, with
its shortest block, so that the plan found is a function of the sequence alone and short to read.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product
from types import MappingProxyType
from typing import Final, NamedTuple

from nas_search.space.blocks import Block, block_length, build_block
from nas_search.space.genome import Choice, FfnPolicy, StagePlan
from nas_search.space.variants import Variants

Catalogue = Mapping[Block, StagePlan]


@lru_cache(maxsize=32)
def block_catalogue(
    mixers: tuple[str, ...], ffn: str, ratios: tuple[str, ...], ffns: tuple[FfnPolicy, ...]
) -> Catalogue:
    """Every block that a stage can have, with one stage (of no repeats) that builds it.

    Of stages that build the same block, the one whose unused choices repeat the used ones is kept.
    """
    catalogue: dict[Block, StagePlan] = {}
    choices = product(ratios, mixers, mixers, ffns)
    for ratio, first, second, policy in sorted(choices, key=lambda choice: choice[1] != choice[2]):
        stage = StagePlan(first, second, ratio, policy, 0)
        catalogue.setdefault(build_block(stage, ffn), stage)
    return MappingProxyType(catalogue)


@lru_cache(maxsize=32)
def block_lengths(ratios: tuple[str, ...], ffns: tuple[FfnPolicy, ...]) -> tuple[int, ...]:
    """How many operators a block of :func:`block_catalogue` can have, rising."""
    return tuple(sorted({block_length(ratio, policy) for ratio, policy in product(ratios, ffns)}))


def variant_catalogue(sequence: Block, catalogue: Catalogue, variants: Variants) -> Catalogue:
    """The blocks in ``sequence`` that a stage with options can build: all its operators of a code have the same.

    ``catalogue`` has the blocks without options. Its first block comes first here too, with first choices: it is
    what a stage of no repeats is written as.
    """
    first, empty = next(iter(catalogue.items()))
    found = {variants.block(first, variants.first): empty._replace(options=variants.first)}
    bases = tuple(variants.origins[notation].base for notation in sequence)
    longest = max(map(len, catalogue))
    for start in range(len(sequence)):
        chosen: dict[int, Choice] = {}
        for end in range(start + 1, min(start + longest, len(sequence)) + 1):
            own = variants.origins[sequence[end - 1]].chosen
            if any(chosen.setdefault(place, value) != value for place, value in own.items()):
                break
            stage = catalogue.get(bases[start:end])
            if stage is not None:
                found[sequence[start:end]] = stage._replace(options=variants.choices(chosen))
    return MappingProxyType(found)


class _Step(NamedTuple):
    """Stages that cover the operators up to ``end``: a block and how often, for each; no block where it is empty."""

    end: int
    stages: tuple[tuple[Block, int], ...]


EMPTY: Final = ((), 0)
"""A stage without repeats."""


class PlanFinder:
    """Finds stages for one sequence.

    ``lengths`` are those of the catalogue's blocks, rising; ``max_repeats`` bounds the repeats of every stage.
    """

    def __init__(self, operators: Block, catalogue: Catalogue, lengths: Sequence[int], max_repeats: int) -> None:
        self.operators = operators
        self.catalogue = catalogue
        self.max_repeats = max_repeats
        self.lengths = lengths
        self.empty = next(iter(catalogue.values()))

    def find(self, stages: int, interleaved: int | None) -> tuple[StagePlan, ...] | None:
        """Stages that arrange to the sequence; ``interleaved`` as in :func:`arrange`. None if there are none."""
        segments = [False] * stages
        if interleaved is not None:
            segments[interleaved : interleaved + 2] = [True]
        return self._search(segments, 0, 0, set())

    def _search(
        self, segments: Sequence[bool], segment: int, start: int, failed: set[tuple[int, int]]
    ) -> tuple[StagePlan, ...] | None:
        if segment == len(segments):
            return () if start == len(self.operators) else None
        if (segment, start) in failed:
            return None
        steps = self._pairs(start) if segments[segment] else self._runs(start)
        for step in sorted(steps, key=lambda step: -step.end):
            rest = self._search(segments, segment + 1, step.end, failed)
            if rest is not None:
                return (*(self._stage(*stage) for stage in step.stages), *rest)
        failed.add((segment, start))
        return None

    def _runs(self, start: int) -> Iterator[_Step]:
        """One stage from ``start`` on, from no repeats to the most that match."""
        yield _Step(start, (EMPTY,))
        for block in self._blocks(start):
            for repeats in range(1, self._matches(block, start, self.max_repeats) + 1):
                yield _Step(start + repeats * len(block), ((block, repeats),))

    def _pairs(self, start: int) -> Iterator[_Step]:
        """Two interleaved stages from ``start`` on; one of them may be empty."""
        for run in self._runs(start):
            yield _Step(run.end, (*run.stages, EMPTY))
        for first in self._blocks(start):
            for second in self._blocks(start + len(first)):
                yield from self._alternations(start, first, second)

    def _alternations(self, start: int, first: Block, second: Block) -> Iterator[_Step]:
        both = first + second
        for pairs in range(1, self._matches(both, start, self.max_repeats) + 1):
            end = start + pairs * len(both)
            yield _Step(end, ((first, pairs), (second, pairs)))
            for more in range(1, self._matches(first, end, self.max_repeats - pairs) + 1):
                yield _Step(end + more * len(first), ((first, pairs + more), (second, pairs)))
            for more in range(1, self._matches(second, end, self.max_repeats - pairs) + 1):
                yield _Step(end + more * len(second), ((first, pairs), (second, pairs + more)))

    def _blocks(self, start: int) -> Iterator[Block]:
        for length in self.lengths:
            block = self.operators[start : start + length]
            if block in self.catalogue and len(block) == length:
                yield block

    def _matches(self, block: Block, start: int, most: int) -> int:
        """How often ``block`` follows itself from ``start`` on, at most ``most`` times."""
        count = 0
        while count < most and self.operators[start : start + len(block)] == block:
            start += len(block)
            count += 1
        return count

    def _stage(self, block: Block, repeats: int) -> StagePlan:
        return self.catalogue[block]._replace(repeats=repeats) if repeats else self.empty
