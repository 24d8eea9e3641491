"""The ladder of token budgets on which candidates are trained. Losses compare only at equal rung."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

FACTOR = 3
"""Each rung has this many times the tokens of the one below."""


@dataclass(frozen=True)
class Ladder:
    """Token budgets, rising; the last is the top rung."""

    tokens: tuple[int, ...]

    @classmethod
    def build(cls, top: int, lowest: int) -> Ladder:
        """Budgets in powers of FACTOR down from ``top``, none below ``lowest`` but the top itself."""
        budgets = [top]
        while budgets[0] // FACTOR >= lowest:
            budgets.insert(0, budgets[0] // FACTOR)
        return cls(tuple(budgets))

    @property
    def top(self) -> int:
        """Index of the top rung."""
        return len(self.tokens) - 1

    def work(self, decay_share: float) -> tuple[float, ...]:
        """Tokens that each rung trains for a candidate that comes from the one below.

        The trunk goes on from where the branch of the rung below left it, and that branch, the last ``decay_share`` of
        its tokens, is no part of it.
        """
        further = (high - (1 - decay_share) * low for low, high in pairwise(self.tokens))
        return (float(self.tokens[0]), *further)
