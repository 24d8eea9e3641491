"""What is recorded of a step; without torch, for whoever only reads it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from nas_search.profiler.statistics import Median


class StepRow(BaseModel):
    """A step of one sequence behind ``context`` tokens, in ms; ``theirs_over_ours`` is taken round by round."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    context: int
    n: int
    ours: Median
    theirs: Median
    theirs_over_ours: Median
    busy: bool
