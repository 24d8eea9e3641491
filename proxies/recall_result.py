"""What training on a recall task gives, and how it is trained: values that a study stores."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydantic import BaseModel, ConfigDict, Field


class RecallRecipe(BaseModel):
    """How many steps networks train on a recall task, and with how many seeds, in a search that asks for one.

    ``pairs`` of a key and a value are what ``recall`` asks for; a needle is one pair.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(default=300, ge=1, le=1_000_000)
    seeds: int = Field(default=1, ge=1, le=16)
    pairs: int = Field(default=4, ge=1, le=32)


class RecallResult(BaseModel):
    """The share of questions that one training with ``seed`` on ``task`` left answered right, or why there is none.

    ``task`` is its name as an objective. ``failure`` is one line, and then ``accuracy`` is None. ``reused`` says that
    the training was done in another run, so that it took no ``seconds`` here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    seed: int
    accuracy: float | None = Field(ge=0, le=1)
    seconds: float
    failure: str | None = None
    reused: bool = False


class RecallScore(BaseModel):
    """The share of questions about held-out sequences that was answered right, for each seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accuracies: tuple[float, ...] = Field(min_length=1)

    @property
    def mean(self) -> float:
        """Over seeds."""
        return float(np.mean(self.accuracies))

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % of the mean over trainings by Student's t, within 0 and 1; None with one seed."""
        n = len(self.accuracies)
        if n < 2:
            return None
        from scipy.stats import t

        half = float(t.ppf(0.975, n - 1) * np.std(self.accuracies, ddof=1) / np.sqrt(n))
        return max(0.0, self.mean - half), min(1.0, self.mean + half)


def recall_figures(scores: Mapping[str, RecallScore]) -> dict[str, float]:
    """Means over seeds, by task, to stand among other figures of a network."""
    return {task: score.mean for task, score in scores.items()}
