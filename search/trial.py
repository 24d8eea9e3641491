"""One row of a study: an architecture with its figures, its score and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from nas_search.profiler.measurement import Measurement
from nas_search.proxies.recall_result import RecallScore

TrialState = Literal["running", "complete", "stopped", "over_limit", "below_limit", "duplicate", "failed"]
TRAINED: frozenset[TrialState] = frozenset({"complete", "stopped", "below_limit", "failed"})
"""States of trials that were given to training; what was trained here counts against ``trials``, all else only as
proposals."""


INSIDE = r"^([A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*)?$"
"""A path that stays below where it begins, whoever wrote it."""


class SeedScore(BaseModel):
    """The loss of one confirmation training, and its weights relative to the run directory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int
    bits_per_byte: float = Field(allow_inf_nan=False)
    weights: str = Field(pattern=INSIDE)


class Confirmation(BaseModel):
    """What the last stage found: figures measured end to end, and the loss after longer training, by seed.

    ``latency`` is that of the search's own workload, None where the device is not here; ``figures`` are those of
    others, by name. ``recalls`` are scores by recall task. These and the losses are those of twins in a search that
    trains these.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    latency: Measurement | None
    figures: dict[str, Measurement] = Field(default_factory=dict)
    tokens: int
    scores: tuple[SeedScore, ...] = Field(min_length=1)
    recalls: dict[str, RecallScore] = Field(default_factory=dict, exclude_if=lambda recalls: not recalls)

    def measured(self, workload: str) -> Measurement | None:
        """The measurement of a workload, by its canonical name; None if there is none."""
        own = self.latency is not None and self.latency.workload == workload
        return self.latency if own else self.figures.get(workload)

    @property
    def bits_per_byte(self) -> float:
        """Mean over the seeds."""
        return sum(score.bits_per_byte for score in self.scores) / len(self.scores)

    @property
    def best(self) -> SeedScore:
        """The seed with the lowest loss; its weights are those that a winner carries."""
        return min(self.scores, key=lambda score: (score.bits_per_byte, score.seed))


class TrialRecord(BaseModel):
    """A proposal and what became of it.

    ``figures`` are predicted, by name and each in its own unit; ``latency_ms`` is that of the search's own workload.
    Of recall tasks, where the search asks for any, ``recalls`` are the scores; their means are among the figures.
    ``bits_per_byte`` is the loss at the top rung: reached (``complete``), extrapolated from ``rung`` (``stopped``),
    that of the trial ``duplicate_of`` (``duplicate``), or None. ``loss_sd`` is the standard deviation of an
    extrapolated one. ``rung_scores`` are the losses at rungs 0 to ``rung``.
    ``below_limit`` means trained on recall, which misses a limit, and no further.
    ``seconds`` is training time; with ``reused`` there is none, since all rungs were trained with exactly the same
    arguments in a run that this one was warm-started from. ``reason`` says why a trial failed, ``duplicate_of`` is the
    number of the trial that a duplicate repeats, ``scored_as`` the twin that was trained in its place.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    proposal_index: int
    architecture: str
    fingerprint: str
    state: TrialState
    latency_ms: float
    figures: dict[str, float]
    parameters: int
    bits_per_byte: float | None = None
    extrapolated: bool = False
    loss_sd: float | None = None
    rung: int | None = None
    rung_scores: tuple[float, ...] = ()
    seconds: float = 0.0
    reused: bool = False
    reason: str | None = None
    duplicate_of: int | None = None
    scored_as: str | None = None
    finished_at: datetime | None = None
    confirmed: Confirmation | None = None
    recalls: dict[str, RecallScore] = Field(default_factory=dict, exclude_if=lambda recalls: not recalls)

    def confirmed_recall(self, task: str) -> RecallScore | None:
        """What the last stage found for a recall task; None if it did not."""
        return self.confirmed.recalls.get(task) if self.confirmed else None

    def measured(self, workload: str) -> Measurement | None:
        """What the last stage measured for a workload; None if it did not."""
        return self.confirmed.measured(workload) if self.confirmed else None

    @property
    def trained(self) -> bool:
        """Whether it was given to training, here or in another run."""
        return self.state in TRAINED

    @property
    def trained_here(self) -> bool:
        """Whether it counts against the number of trials."""
        return self.trained and not self.reused

    @property
    def trained_as(self) -> str:
        """The network that was trained: the architecture, or its twin."""
        return self.scored_as or self.architecture
