"""One row of a study: an architecture with its latency, its score and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from nas_search.profiler.measurement import Measurement
from nas_search.search.rungs import Standing

TrialState = Literal["running", "complete", "stopped", "too_slow", "duplicate", "failed"]
TRAINED: frozenset[TrialState] = frozenset({"complete", "stopped", "failed"})
"""States of trials that were given to training; they count against ``trials``, the others only as proposals."""


class SeedScore(BaseModel):
    """The loss of one confirmation training, and its weights relative to the run directory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int
    bits_per_byte: float = Field(allow_inf_nan=False)
    weights: str


class Confirmation(BaseModel):
    """What the last stage found: latency measured end to end, and the loss after longer training, by seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    latency: Measurement
    tokens: int
    scores: tuple[SeedScore, ...] = Field(min_length=1)

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

    ``latency_ms`` is the table's prediction. ``bits_per_byte`` is the loss at the top rung: reached (``complete``),
    extrapolated from ``rung`` (``stopped``), the twin's (``duplicate``), or None. ``rung_scores`` are the losses
    at rungs 0 to ``rung``. ``seconds`` is training time, ``reason`` says why a trial failed, ``twin`` is the
    number of the trial that a duplicate repeats.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    proposal_index: int
    architecture: str
    fingerprint: str
    state: TrialState
    latency_ms: float
    parameters: int
    bits_per_byte: float | None = None
    extrapolated: bool = False
    rung: int | None = None
    rung_scores: tuple[float, ...] = ()
    seconds: float = 0.0
    reason: str | None = None
    twin: int | None = None
    finished_at: datetime | None = None
    confirmed: Confirmation | None = None

    @property
    def trained(self) -> bool:
        """Whether it counts against the number of trials."""
        return self.state in TRAINED

    @property
    def point(self) -> tuple[float, float]:
        """(latency_ms, bits_per_byte) of a complete trial."""
        if self.bits_per_byte is None:
            raise ValueError(f"trial {self.number} ({self.state}) has no loss")
        return self.latency_ms, self.bits_per_byte

    @property
    def standing(self) -> Standing:
        """What rivals on the ladder see of it."""
        return Standing(self.latency_ms, self.rung_scores)
