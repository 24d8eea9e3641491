"""Measuring whole networks end to end."""

from __future__ import annotations

from collections.abc import Sequence

from nas_search.profiler.device import Device, resolve_device
from nas_search.profiler.measurement import Measurement, measurements_of
from nas_search.profiler.statistics import ClockName
from nas_search.profiler.timing import Progress, StopRule, time_interleaved
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture


def measure_architectures(
    architectures: Sequence[Architecture],
    workload: Workload,
    *,
    seed: int,
    device: Device | None = None,
    clock: ClockName | None = None,
    stop: StopRule | None = None,
    progress: Progress | None = None,
) -> list[Measurement]:
    """Time untrained networks of these architectures in turns; one measurement for each, in order.

    ``clock`` names the one that counts, as a table's when figures are compared with it; without it wall time counts
    unless the machine is busy. ``device`` defaults to the CPU.
    """
    from nas_search.profiler.networks import TimedNetwork, kernels_in_use, timing_session

    device = device or resolve_device("cpu")
    with timing_session():
        networks = [TimedNetwork(architecture, seed + i) for i, architecture in enumerate(architectures)]
        tasks = [network.workload_task(workload) for network in networks]
        samples = time_interleaved(tasks, stop or StopRule(), seed=seed, progress=progress)
    operators = [operator for architecture in architectures for operator in architecture.operators]
    kernels = kernels_in_use(operators, device, workload.dtype)
    return measurements_of(samples, clock=clock, kernels=kernels, device_id=device.id, workload=str(workload))
