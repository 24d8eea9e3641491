"""What the curves of several seeds say: means with intervals, differences, evaluations needed, time per proposal.

Curves are [seeds, trials]: normalised hypervolume after each evaluation, one row for each seed, by sampler.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from nas_search.profiler.check import bootstrap_interval
from nas_search.search.problem import FloatArray

Curves = Mapping[str, FloatArray]

BOOTSTRAP_SEED = 0
REACH_BUDGET = 200
"""What peers have after so many evaluations is what others are asked to reach."""
FURTHER_BUDGETS = (10, 25, 35, 50, 100, REACH_BUDGET)
"""Besides powers of two: those of real searches, and those at which others publish figures."""


class Estimate(BaseModel):
    """The mean over seeds with its 95 % bootstrap interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, samples: FloatArray) -> Estimate:
        """From one value for each seed: the percentile bootstrap of the mean, always with the same resamples."""
        low, high = bootstrap_interval(samples, seed=BOOTSTRAP_SEED)
        return cls(mean=float(samples.mean()), low=low, high=high)

    @property
    def sign(self) -> int:
        """1 or -1 where the interval excludes zero, else 0."""
        return int(self.low > 0) - int(self.high < 0)


class ProposalTime(BaseModel):
    """Seconds of thinking for one proposal: median and 90th percentile of ``n``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    median: float
    p90: float
    n: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> ProposalTime:
        """From the seconds of all proposals of all seeds."""
        median, p90 = np.quantile(np.array(seconds), [0.5, 0.9])
        return cls(median=float(median), p90=float(p90), n=len(seconds))


def budgets(trials: int) -> tuple[int, ...]:
    """Evaluations at which something is told: powers of two up to ``trials``, some more, and ``trials`` itself."""
    powers = (2**exponent for exponent in range(trials.bit_length()))
    return tuple(sorted({trials, *(one for one in (*powers, *FURTHER_BUDGETS) if one <= trials)}))


def hypervolumes(curves: Curves, at: Sequence[int]) -> dict[str, dict[int, Estimate]]:
    """By sampler and budget."""
    return {name: _estimates(curve, at) for name, curve in curves.items()}


def differences(curves: Curves, at: Sequence[int]) -> dict[str, dict[str, dict[int, Estimate]]]:
    """By sampler, peer and budget: the sampler's hypervolume minus the peer's, paired by seed.

    Intervals are those of one comparison each, not corrected for their number.
    """
    return {
        name: {peer: _estimates(curve - other, at) for peer, other in curves.items() if peer != name}
        for name, curve in curves.items()
    }


def evaluations_to_reach(curves: Curves, budget: int) -> dict[str, dict[str, int | None]]:
    """By sampler and peer: the fewest evaluations at which the sampler's mean is the peer's at ``budget``; None: never.

    A hypervolume never falls, so from there on it stays above.
    """
    means = {name: curve.mean(axis=0) for name, curve in curves.items()}
    return {
        name: {peer: _first(mean >= other[budget - 1]) for peer, other in means.items() if peer != name}
        for name, mean in means.items()
    }


def _estimates(curve: FloatArray, at: Sequence[int]) -> dict[int, Estimate]:
    return {budget: Estimate.of(curve[:, budget - 1]) for budget in at}


def _first(reached: np.typing.NDArray[np.bool_]) -> int | None:
    found = np.flatnonzero(reached)
    return int(found[0]) + 1 if len(found) else None
