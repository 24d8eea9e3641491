"""Architectures side by side: measured in one run, against the first of them and against the rates of the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from nas_search.errors import InputError
from nas_search.profiler.comparison import (
    ComparedArchitecture,
    ComparedFigure,
    ComparedWorkload,
    Comparison,
    Ratio,
)
from nas_search.profiler.device import Device
from nas_search.profiler.device_rates import DeviceRates, device_rates
from nas_search.profiler.estimate import workload_bound_ms
from nas_search.profiler.isolated import measure_isolated
from nas_search.profiler.measure import Rounds, Vector
from nas_search.profiler.measurement import Failure, Measurement, Outcome
from nas_search.profiler.precision import DType
from nas_search.profiler.roofline import Rates
from nas_search.profiler.statistics import ClockName, Median, median_interval, shared_clock
from nas_search.profiler.timing import Progress, StopRule, step_of
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture


class MeasureRounds(Protocol):
    """Something that does what :func:`nas_search.profiler.measure.measure` does, here or elsewhere."""

    def __call__(
        self,
        architectures: Sequence[Architecture],
        workload: Workload,
        *,
        device: Device,
        seed: int,
        stop: StopRule | None,
        progress: Progress | None,
        rounds: Rounds,
    ) -> list[Outcome]:
        """An outcome for each network, in order."""
        ...


class RatesOf(Protocol):
    """Something that does what :func:`nas_search.profiler.device_rates.device_rates` does."""

    def __call__(self, device: Device, dtype: DType, *, seed: int, progress: Progress | None) -> DeviceRates:
        """The rates of a device for networks in ``dtype``."""
        ...


def compare(
    architectures: Sequence[Architecture],
    workloads: Sequence[Workload],
    device: Device,
    *,
    seed: int,
    stop: StopRule | None = None,
    measure_networks: MeasureRounds = measure_isolated,
    rates_of: RatesOf = device_rates,
    progress: Progress | None = None,
) -> Comparison:
    """Measure every architecture under every workload; times and energy of one workload in turns.

    ``stop`` holds for each workload. Raises InputError for fewer than two architectures and for equal ones, and as
    :func:`nas_search.profiler.measure.measure` does.
    """
    _check_different(architectures)
    dtypes = list(dict.fromkeys(workload.dtype for workload in workloads if has_ceiling(workload)))
    steps = len(dtypes) + len(workloads)
    rates = {
        dtype: rates_of(device, dtype, seed=seed, progress=step_of(progress, index, steps))
        for index, dtype in enumerate(dtypes)
    }
    compared = []
    for index, workload in enumerate(workloads, start=len(dtypes)):
        rounds: dict[int, Vector] = {}
        outcomes = measure_networks(
            architectures,
            workload,
            device=device,
            seed=seed,
            stop=stop,
            progress=step_of(progress, index, steps),
            rounds=rounds.__setitem__,
        )
        used = rates[workload.dtype] if has_ceiling(workload) else None
        compared.append(_compared(architectures, workload, outcomes, rounds, used))
    return Comparison(
        device=device,
        device_id=device.id,
        source="measured",
        architectures=tuple(
            ComparedArchitecture(architecture=each.notation, fingerprint=each.fingerprint, parameters=each.parameters)
            for each in architectures
        ),
        workloads=tuple(compared),
    )


def has_ceiling(workload: Workload) -> bool:
    """Whether a device's rates bound the figure: that of memory and of energy do not follow from them."""
    return workload.is_latency or workload.kind == "throughput"


def ceiling(architecture: Architecture, workload: Workload, batch: int, rates: Rates) -> float:
    """What rates allow at best for ``batch`` sequences, in the workload's unit, see :func:`has_ceiling`."""
    if workload.is_latency:
        return workload_bound_ms(architecture, workload, rates)
    step = workload.model_copy(update={"kind": "decode", "batch": batch})
    return 1e3 * batch / workload_bound_ms(architecture, step, rates)


def _check_different(architectures: Sequence[Architecture]) -> None:
    if len(architectures) < 2:
        raise InputError(f"compare: {len(architectures)} architecture given; two or more are needed")
    numbers: dict[str, int] = {}
    for number, architecture in enumerate(architectures, start=1):
        first = numbers.setdefault(architecture.fingerprint, number)
        if first != number:
            raise InputError(f"compare: architectures {first} and {number} are the same, {architecture.notation}")


def _compared(
    architectures: Sequence[Architecture],
    workload: Workload,
    outcomes: Sequence[Outcome],
    rounds: Mapping[int, Vector],
    rates: DeviceRates | None,
) -> ComparedWorkload:
    def figure(index: int, outcome: Outcome) -> ComparedFigure:
        if isinstance(outcome, Failure):
            return ComparedFigure(outcome=outcome)
        ratio = _ratio(workload, outcomes[0], outcome, rounds.get(0), rounds.get(index))
        if rates is None:
            return ComparedFigure(outcome=outcome, ratio=ratio)
        best = ceiling(architectures[index], workload, outcome.batch, rates.rates)
        reached = outcome.value / best if workload.higher_is_better else best / outcome.value
        return ComparedFigure(outcome=outcome, ratio=ratio, ceiling=best, reached=reached)

    return ComparedWorkload(
        workload=str(workload),
        unit=workload.unit,
        higher_is_better=workload.higher_is_better,
        rates=rates,
        figures=tuple(figure(index, outcome) for index, outcome in enumerate(outcomes)),
    )


def _ratio(
    workload: Workload, first: Outcome, other: Measurement, first_rounds: Vector | None, rounds: Vector | None
) -> Ratio | None:
    """How many times better than the first, if neither is zero.

    Round by round where both were measured in turns, since what disturbs a whole round does not move that; else from
    both intervals, on the device's clock if theirs differ.
    """
    if isinstance(first, Failure) or not (first.low and other.low):
        return None
    if other is first:
        return Ratio(value=1.0, low=1.0, high=1.0)
    if workload.kind != "throughput" and first_rounds is not None and rounds is not None:
        value, low, high = median_interval(first_rounds / rounds)
        return Ratio(value=value, low=low, high=high)
    clock = shared_clock((first.clock, other.clock))
    above, below = _on(first, clock), _on(other, clock)
    if workload.higher_is_better:
        above, below = below, above
    return Ratio(value=above.value / below.value, low=above.low / below.high, high=above.high / below.low)


def _on(measured: Measurement, clock: ClockName) -> Median:
    """The figure on a clock, as well known as on the one that counts."""
    wanted: float = getattr(measured, clock)
    scale = 1.0 if measured.clock == clock else wanted / measured.value
    return Median(scale * measured.value, scale * measured.low, scale * measured.high)
