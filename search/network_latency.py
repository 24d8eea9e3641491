"""Latencies of given networks, from wherever a search would have them: measured, a table, or published rates."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import BaseModel, ConfigDict

from nas_search.errors import InputError
from nas_search.profiler.estimate import workload_estimate_ms
from nas_search.profiler.isolated import measure_isolated
from nas_search.profiler.known_devices import KnownDevice
from nas_search.profiler.measurement import Failure, Measurement, Source
from nas_search.profiler.precision import DType
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.timing import Progress
from nas_search.profiler.workload import Workload
from nas_search.search.latency_source import LatencySource
from nas_search.space.architecture import Architecture


class Latency(BaseModel):
    """A figure in the workload's unit and where it is from; with its 95 % interval, n and clock if it was measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    source: Source
    measured: Measurement | None = None


Latencies = Callable[[Sequence[Architecture]], Sequence[Latency | Failure]]
"""The latency of each network, or why there is none."""


def latency_workload(text: str, dtype: DType) -> Workload:
    """The workload written as ``text``. Raises InputError if it is none, or no latency."""
    workload = Workload.parse(text, dtype)
    if not workload.is_latency:
        raise InputError(f"workload '{workload}': no latency; give one of decode, prefill and generate")
    return workload


def table_latencies(table: LatencyTable, workload: Workload) -> Latencies:
    """What a table predicts. The answer raises InputError if it does not cover a network."""
    return lambda networks: [
        Latency(value=float(value), source=table.source) for value in table.predict_many(networks, workload)
    ]


def latencies_from(
    source: LatencySource, workload: Workload, *, seed: int, progress: Progress | None = None
) -> Latencies:
    """What answers from ``source``: its table if there is one, else its published rates, else the device.

    Raises InputError if the table is damaged or of another device; the answer does so if the table does not cover a
    network, no rate is published for the workload's number format, or not one network fits the device.
    """
    if source.table is not None:
        table = LatencyTable.load(source.table)
        table.require_device(source.device)
        return table_latencies(table, workload)
    known = source.known
    if known is not None:
        return lambda networks: [
            Latency(value=_estimate(network, workload, known, source), source="estimate") for network in networks
        ]
    return lambda networks: [
        outcome
        if isinstance(outcome, Failure)
        else Latency(value=outcome.value, source=outcome.source, measured=outcome)
        for outcome in measure_isolated(networks, workload, device=source.device, seed=seed, progress=progress)
    ]


def _estimate(network: Architecture, workload: Workload, known: KnownDevice, source: LatencySource) -> float:
    return workload_estimate_ms(network, workload, known.rates(workload.dtype), captured=source.device.captures_steps)
