"""A latency with everything that it takes to judge it."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from nas_search.profiler.statistics import ClockName, choose_clock, is_busy, median_interval
from nas_search.profiler.timing import Samples


class Measurement(BaseModel):
    """The median of ``n`` samples with its 95 % interval, in milliseconds on the clock that is named.

    ``wall_ms`` and ``cpu_ms`` are the medians on either clock. On a ``busy`` machine (wall time more than 1.2 times
    the CPU time) the CPU clock counts; it is not what a user waits for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    latency_ms: float
    low_ms: float
    high_ms: float
    n: int
    wall_ms: float
    cpu_ms: float
    clock: ClockName
    busy: bool
    kernels: tuple[str, ...]
    device_id: str
    workload: str


def measurements_of(
    samples: Samples, *, clock: ClockName | None, kernels: tuple[str, ...], device_id: str, workload: str
) -> list[Measurement]:
    """One measurement for each task; without a ``clock`` all samples together decide which one counts."""
    clock = clock or choose_clock(samples.wall_ms, samples.cpu_ms)
    chosen = samples.steady_ms(clock)
    return [
        Measurement(
            latency_ms=median.value,
            low_ms=median.low,
            high_ms=median.high,
            n=samples.rounds,
            wall_ms=float(np.median(wall)),
            cpu_ms=float(np.median(cpu)),
            clock=clock,
            busy=is_busy(wall, cpu),
            kernels=kernels,
            device_id=device_id,
            workload=workload,
        )
        for median, wall, cpu in zip(map(median_interval, chosen), samples.wall_ms, samples.cpu_ms, strict=True)
    ]
