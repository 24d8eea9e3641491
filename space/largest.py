"""The heaviest way to fill a space's stages with blocks: a knapsack whose room is the greatest depth."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from nas_search.space.blocks import Block


class _Filling(NamedTuple):
    """The stages so far: their weight in sum, and their blocks with repeats."""

    weight: int
    stages: tuple[tuple[Block, int], ...]


def heaviest_stages(
    blocks: Iterable[Block], weights: Mapping[str, int], stages: int, max_repeats: int, max_operators: int
) -> tuple[tuple[Block, int], ...]:
    """A block and its repeats for each stage, of most weight in sum; ``weights`` are those of operators.

    Every stage may have any of the ``blocks``, and all together at most ``max_operators`` operators.
    """
    heaviest: dict[int, _Filling] = {}
    for block in blocks:
        found = _Filling(sum(weights[operator] for operator in block), ((block, 1),))
        heaviest[len(block)] = max(found, heaviest.get(len(block), found))
    fillings = {0: _Filling(0, ())}
    for _ in range(stages):
        longer: dict[int, _Filling] = {}
        for depth, filling in fillings.items():
            for length, (weight, ((block, _),)) in heaviest.items():
                for repeats in range(min(max_repeats, (max_operators - depth) // length) + 1):
                    total = depth + repeats * length
                    found = _Filling(filling.weight + repeats * weight, (*filling.stages, (block, repeats)))
                    longer[total] = max(found, longer.get(total, found))
        fillings = longer
    return max(fillings.values()).stages
