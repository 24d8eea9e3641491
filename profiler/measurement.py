"""A figure with everything that it takes to judge it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from nas_search.profiler.conditions import Conditions
from nas_search.profiler.precision import Precision
from nas_search.profiler.statistics import ClockName, Median
from nas_search.profiler.workload import Workload

Source = Literal["measured", "table", "estimate"]
"""Where a figure is from: timed now, summed up from a recorded table, or from published rates alone."""


class Origin(BaseModel):
    """What a measurement was made on and of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device_id: str
    workload: str
    unit: str
    precision: Precision
    kernels: tuple[str, ...]
    before: Conditions | None = None
    after: Conditions | None = None


class Measurement(Origin):
    """The median of ``n`` samples with its 95 % interval, in ``unit``, on the clock that is named.

    ``wall`` and ``device`` are the medians on either clock, in the same unit: the device's is the CPU time of the
    thread, or the time between two events on a GPU. On a ``busy`` processor (wall time more than 1.2 times the CPU
    time) the device's clock counts; it is not what a user waits for. ``batch`` counts sequences.
    """

    value: float
    low: float
    high: float
    n: int
    wall: float
    device: float
    clock: ClockName
    busy: bool
    batch: int

    @property
    def source(self) -> Source:
        """Measured, always."""
        return "measured"


class Failure(BaseModel):
    """Why an architecture could not be measured, in one line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: str


Outcome = Measurement | Failure


def scaled(median: Median, workload: Workload, batch: int) -> Median:
    """From one step or pass of ``batch`` sequences to the unit of ``workload``.

    A throughput is what is done in a second; energy is shared by the sequences of a step.
    """
    if workload.kind == "throughput":
        tokens = 1e3 * batch
        return Median(tokens / median.value, tokens / median.high, tokens / median.low)
    if workload.kind == "energy":
        return Median(median.value / batch, median.low / batch, median.high / batch)
    return median
