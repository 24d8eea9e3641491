"""Checking a latency table that is there on networks measured now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Protocol

import numpy as np

from nas_search.errors import InputError, RunError
from nas_search.profiler.backend import Backend, backend_of
from nas_search.profiler.check import TableCheck
from nas_search.profiler.device import Device, resolve_device
from nas_search.profiler.fit import compare
from nas_search.profiler.measure import measure
from nas_search.profiler.measurement import Measurement, Outcome
from nas_search.profiler.plan import TABLE_STOP
from nas_search.profiler.roofline import memory_bytes
from nas_search.profiler.sittings import MEMORY_SHARE
from nas_search.profiler.statistics import ClockName, shared_clock
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.timing import Progress, StopRule
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture


class MeasureNetworks(Protocol):
    """Something that does what :func:`nas_search.profiler.measure.measure` does, here or elsewhere."""

    def __call__(
        self,
        architectures: Sequence[Architecture],
        workload: Workload,
        *,
        device: Device,
        seed: int,
        clock: ClockName | None = None,
        stop: StopRule | None = None,
        progress: Progress | None = None,
    ) -> list[Outcome]:
        """An outcome for each network, in order."""
        ...


def check_table(
    table: LatencyTable,
    workload: Workload,
    networks: Sequence[Architecture],
    *,
    seed: int,
    stop: StopRule = TABLE_STOP,
    backend: Backend | None = None,
    measure_networks: MeasureNetworks | None = None,
    progress: Progress | None = None,
) -> TableCheck:
    """Measure ``networks`` end to end, each twice, and compare them with the table: on its clock unless this is busy.

    As many are measured in turns as fit into memory. Networks that cannot run are left out. ``measure_networks`` does
    what :func:`measure` does, which is used unless it is given. Raises InputError if the table lacks a network or is of
    another device, and for memory, which is computed; RunError if none can run.
    """
    if workload.kind == "memory":
        raise InputError(f"workload '{workload}': memory is computed, a table has nothing to check")
    backend = backend or backend_of(resolve_device(table.device.name))
    table.require_device(backend.device)
    table.predict_many(networks, workload)
    call = partial(measure_networks or partial(measure, backend=backend), device=backend.device)
    figures: list[tuple[float, float]] = []
    clocks = {table.clock}
    for piece in _fitting(networks, workload, int(MEMORY_SHARE * backend.free_bytes())):
        report = None if progress is None else _offset(progress, len(figures), len(piece), len(networks))
        twice = call([*piece, *piece], workload, seed=seed, clock=table.clock, stop=stop, progress=report)
        clocks |= {outcome.clock for outcome in twice if isinstance(outcome, Measurement)}
        values = [outcome.value if isinstance(outcome, Measurement) else np.nan for outcome in twice]
        figures += zip(values[: len(piece)], values[len(piece) :], strict=True)
    check = compare(table, networks, workload, np.array(figures).T, clock=shared_clock(clocks))
    if check is None:
        raise RunError(f"latency table: none of these networks can run {workload} here")
    return check


def _fitting(networks: Sequence[Architecture], workload: Workload, free_bytes: int) -> Iterator[list[Architecture]]:
    """As many networks after another as fit into memory twice, or one."""
    batch = 1 if workload.kind == "throughput" else workload.batch
    piece: list[Architecture] = []
    left = free_bytes
    for network in networks:
        needed = 2 * memory_bytes(network, workload.prompt + workload.new_tokens, batch, workload.precision)
        if piece and needed > left:
            yield piece
            piece, left = [], free_bytes
        piece.append(network)
        left -= needed
    yield piece


def _offset(progress: Progress, before: int, count: int, networks: int) -> Progress:
    """Progress of ``count`` networks behind ``before`` others, in hundredths of a network."""
    return lambda done, total: progress(100 * before + 100 * count * done // max(total, 1), 100 * networks)
