"""Random plans whose depth is spread evenly.

Independent repeats would overflow nearly always, and the repair would then pile the samples up at the greatest
depth. So a depth is drawn first, then blocks that can reach it, then one of the ways to reach it.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate

import numpy as np

from nas_search.space.genome import Plan

# Plans drawn before the nearest depth that the last one can reach is taken instead.
BLOCK_DRAWS = 32

Ways = tuple[tuple[int, ...], ...]


def draw_plan(
    draw_blocks: Callable[[], Plan],
    block_lengths: Callable[[Plan], Sequence[int]],
    max_repeats: int,
    max_operators: int,
    rng: np.random.Generator,
) -> Plan:
    """A plan whose number of operators is uniform on 1 to ``max_operators``, as far as the blocks allow.

    ``draw_blocks`` draws everything but the repeats, ``block_lengths`` counts the operators of each stage's
    block. All repeats that reach the drawn number are equally likely.
    """
    depth = int(rng.integers(1, max_operators + 1))
    for _ in range(BLOCK_DRAWS):
        plan = draw_blocks()
        lengths = tuple(block_lengths(plan))
        ways = count_ways(lengths, max_repeats, max_operators)
        if ways[0][depth]:
            break
    reachable = [total for total in range(1, max_operators + 1) if ways[0][total]]
    nearest = min(reachable, key=lambda total: abs(total - depth))
    return plan.with_repeats(draw_repeats(ways, lengths, nearest, max_repeats, rng))


@lru_cache(maxsize=8192)
def count_ways(lengths: tuple[int, ...], max_repeats: int, max_operators: int) -> Ways:
    """``ways[k][n]``: how many repeats of stages k, k + 1, ... give exactly n operators."""
    ways: list[tuple[int, ...]] = [(1, *[0] * max_operators)]
    for length in reversed(lengths):
        later = ways[0]
        counts = [
            sum(later[total - used] for used in range(0, min(total, max_repeats * length) + 1, length))
            for total in range(max_operators + 1)
        ]
        ways.insert(0, tuple(counts))
    return tuple(ways)


def draw_repeats(
    ways: Ways, lengths: Sequence[int], total: int, max_repeats: int, rng: np.random.Generator
) -> tuple[int, ...]:
    """One of the ``ways[0][total]`` repeats, all equally likely; ``ways`` as :func:`count_ways` gives them."""
    repeats: list[int] = []
    for length, later in zip(lengths, ways[1:], strict=True):
        weights = [later[total - count * length] if count * length <= total else 0 for count in range(max_repeats + 1)]
        *sums, whole = accumulate(weights)
        repeats.append(bisect_right([part / whole for part in sums], rng.random()))
        total -= repeats[-1] * length
    return tuple(repeats)
