"""From stages to a sequence of operators: blocks, their repeats, and stages that interleave.

Operators are notations here, so that sequences are cheap to compare; the search space turns them into specs.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import zip_longest
from typing import Final

from nas_search.space.genome import BETWEEN, FfnPolicy, StagePlan

Block = tuple[str, ...]

_RATIO: Final = re.compile(r"(\d{1,2}):(\d{1,2})")


def ratio_counts(ratio: str) -> tuple[int, int]:
    """How often the first and the second mixer kind occur in a block. Raises ValueError."""
    match = _RATIO.fullmatch(ratio)
    counts = (int(match[1]), int(match[2])) if match else (0, 0)
    if sum(counts) == 0:
        raise ValueError(f"'{ratio}' is not a ratio such as \"1:2\"")
    return counts


def block_length(ratio: str, ffn: FfnPolicy) -> int:
    """Operators of a block with mixers in this ratio and FFNs by this policy. Raises ValueError for no ratio."""
    mixers = sum(ratio_counts(ratio))
    return 2 * mixers - 1 if ffn == BETWEEN else mixers * (1 + ffn)


@lru_cache(maxsize=8192)
def build_block(stage: StagePlan, ffn: str) -> Block:
    """The operators of one block: n times the first mixer, m times the second, FFNs by the stage's policy."""
    first, second = ratio_counts(stage.ratio)
    mixers = [stage.first] * first + [stage.second] * second
    after_each = 1 if stage.ffn == BETWEEN else stage.ffn
    operators = [operator for mixer in mixers for operator in (mixer, *[ffn] * after_each)]
    return tuple(operators[:-1] if stage.ffn == BETWEEN else operators)


def arrange(blocks: Sequence[Block], repeats: Sequence[int], interleaved: int | None) -> Block:
    """All stages one after the other.

    ``interleaved`` is the index k of the stage that alternates with stage k + 1, block by block; what is left of
    the longer one follows. None: no two stages do.
    """
    stages = [[block] * count for block, count in zip(blocks, repeats, strict=True)]
    if interleaved is not None:
        pairs = zip_longest(stages[interleaved], stages[interleaved + 1])
        merged = [block for pair in pairs for block in pair if block is not None]
        stages[interleaved : interleaved + 2] = [merged]
    return tuple(operator for stage in stages for block in stage for operator in block)


def fit_repeats(lengths: Sequence[int], repeats: Sequence[int], max_operators: int) -> tuple[int, ...]:
    """Repeats that give at least one and at most ``max_operators`` operators.

    Overflow is taken from the last stage, then from earlier ones (Nemotron-Flash, section 3); a network without
    blocks gets one of the first stage. Every block has between 1 and ``max_operators`` operators.
    """
    fitted = list(repeats) if any(repeats) else [1, *repeats[1:]]
    excess = sum(length * count for length, count in zip(lengths, fitted, strict=True)) - max_operators
    for stage in reversed(range(len(fitted))):
        if excess <= 0:
            break
        cut = min(fitted[stage], -(-excess // lengths[stage]))
        fitted[stage] -= cut
        excess -= cut * lengths[stage]
    return tuple(fitted)
