"""Paired comparisons: the mean difference with its 95 % t interval, and p values that stand for many comparisons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict

SIGNIFICANT = 0.05


class Paired(BaseModel):
    """Differences of n pairs: their mean, its 95 % interval by Student's t, and the p value of a paired t test.

    ``p_holm`` is corrected for all comparisons that were made together (Holm 1979). With one pair, or where a training
    failed, nothing but n is known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None

    @classmethod
    def of(cls, first: ArrayLike, second: ArrayLike) -> Paired:
        """``first`` [n] less ``second`` [n]."""
        one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
        n = len(one)
        if not np.isfinite([one, other]).all():
            return cls(n=n)
        differences = one - other
        mean = float(differences.mean())
        if n < 2:
            return cls(n=n, mean=mean)
        from scipy.stats import t

        error = float(differences.std(ddof=1) / np.sqrt(n))
        half = float(t.ppf(0.975, n - 1)) * error
        ratio = abs(mean) / error if error else np.inf * mean if mean else 0.0
        return cls(n=n, mean=mean, low=mean - half, high=mean + half, p=float(2 * t.sf(abs(ratio), n - 1)))

    @property
    def significant(self) -> bool:
        """Whether the corrected p value is below 5 %."""
        return self.p_holm is not None and self.p_holm < SIGNIFICANT


def corrected(comparisons: Sequence[Paired]) -> list[Paired]:
    """The same with ``p_holm``, over all that have a p value."""
    order = sorted((found.p, place) for place, found in enumerate(comparisons) if found.p is not None)
    adjusted: dict[int, float] = {}
    highest = 0.0
    for rank, (p, place) in enumerate(order):
        highest = max(highest, min(1.0, p * (len(order) - rank)))
        adjusted[place] = highest
    return [found.model_copy(update={"p_holm": adjusted.get(place)}) for place, found in enumerate(comparisons)]
