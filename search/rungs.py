"""The ladder of token budgets: who goes up, and what a candidate that stopped would have reached.

Optuna cannot prune with two objectives, so this is ours. Losses are in bits per byte and compare only at equal
rung. Lower rungs rank candidates with some noise, so a candidate stops only if it is dominated by a margin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from statistics import median
from typing import NamedTuple

import numpy as np

FACTOR = 3
"""Each rung has this many times the tokens of the one below."""
SEED_SIGMA_BPB = 0.015
"""Spread of one candidate's loss over seeds at 65k tokens with the default recipe."""
RANK_NOISE_BPB = 0.03
"""Spread of the change in rank-relevant loss from one rung to the next: the loss spread between mixers, times
sqrt(1 - rho^2) for the rank correlation rho of 0.86 to 0.93 between 65k or 131k and 200k tokens."""
FIXED_SHARE = 0.2
"""This share goes up whatever its loss, so that slow starters are seen and extrapolation can learn from them."""
_FIXED_SHARE_STREAM = 2


class Standing(NamedTuple):
    """A candidate's known objectives, less is better, and its loss at each rung that it reached, in bits per byte."""

    known: tuple[float, ...]
    scores: tuple[float, ...]


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

    def margin(self, rung: int) -> float:
        """Bits per byte by which a loss at ``rung`` must be beaten before it counts as beaten."""
        rungs_to_go = log(self.tokens[-1] / self.tokens[rung], FACTOR)
        return SEED_SIGMA_BPB + RANK_NOISE_BPB * rungs_to_go

    def goes_up(self, candidate: Standing, rivals: Sequence[Standing], *, seed: int, proposal_index: int) -> bool:
        """Whether a candidate that finished a rung below the top trains on.

        It does while it may still enter the front, i.e. unless a rival that is as good in all known objectives beats
        it by the margin.
        """
        rung = len(candidate.scores) - 1
        bar = candidate.scores[rung] - self.margin(rung)
        beaten = any(
            len(rival.scores) > rung and rival.scores[rung] < bar and _as_good(rival, candidate) for rival in rivals
        )
        return not beaten or in_fixed_share(seed, proposal_index)

    def extrapolate(self, candidate: Standing, rivals: Sequence[Standing]) -> float:
        """The loss at the top rung to expect: the last one, plus the median change of rivals from rung to rung.

        Where no rival made the step, no change is assumed, which cannot flatter the candidate.
        """
        loss = candidate.scores[-1]
        for rung in range(len(candidate.scores), len(self.tokens)):
            changes = [rival.scores[rung] - rival.scores[rung - 1] for rival in rivals if len(rival.scores) > rung]
            loss += median(changes) if changes else 0.0
        return loss


def _as_good(rival: Standing, candidate: Standing) -> bool:
    """Whether a rival is nowhere worse in what is known beforehand."""
    return all(theirs <= own for theirs, own in zip(rival.known, candidate.known, strict=True))


def in_fixed_share(seed: int, proposal_index: int) -> bool:
    """Whether a proposal is one of the fixed share that goes up regardless; depends on nothing else."""
    draw = np.random.default_rng([seed, proposal_index, _FIXED_SHARE_STREAM]).random()
    return bool(draw < FIXED_SHARE)
