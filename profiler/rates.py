"""The rates of a device of this machine: how fast it copies, multiplies matrices and starts something tiny."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from nas_search.profiler.backend import Backend
from nas_search.profiler.networks import timing_session
from nas_search.profiler.precision import DType
from nas_search.profiler.roofline import Rates
from nas_search.profiler.statistics import ClockName, Median, median_interval
from nas_search.profiler.timing import Progress, StopRule, Task, measure_interleaved


class Sizes(NamedTuple):
    """Bytes that are copied, rows and columns of the square matrices, tiny operations in a row."""

    copied_bytes: int
    rows: int
    launches: int


# Each buffer of the copy is twice as large as the largest cache of a known device; one core of a processor sees less.
COPIED_BYTES = 1 << 28
LAUNCHES = 100
# Large enough that more rows are no faster.
SIZES = {"cpu": Sizes(COPIED_BYTES, 1024, LAUNCHES), "cuda": Sizes(COPIED_BYTES, 8192, LAUNCHES)}
WORD_BYTES = 8


class MeasuredRates(NamedTuple):
    """Medians of ``n`` rounds with their 95 % intervals, on the clock that is named.

    ``bandwidth_bytes_per_s`` counts the bytes that a large copy reads and those that it writes. ``flops_per_s`` is that
    of a large matrix product in ``dtype``, ``launch_ms`` the time from one tiny operation to the next.
    """

    bandwidth_bytes_per_s: Median
    flops_per_s: Median
    launch_ms: Median
    dtype: DType
    n: int
    clock: ClockName

    @property
    def rates(self) -> Rates:
        """The medians, for bounds and estimates."""
        return Rates(self.bandwidth_bytes_per_s.value, self.flops_per_s.value, self.launch_ms.value)


def measure_rates(
    backend: Backend,
    dtype: DType,
    *,
    seed: int,
    stop: StopRule | None = None,
    sizes: Sizes | None = None,
    progress: Progress | None = None,
) -> MeasuredRates:
    """Time a copy, a product and a chain of launches in turns, as networks are timed: a processor on one thread.

    ``sizes`` default to what shows the rates of the backend's kind of device.
    """
    sizes = sizes or SIZES[backend.device.kind]
    with timing_session():
        runs = _runs(backend.torch_device, dtype, sizes, seed)
        samples = measure_interleaved(
            [Task(backend.capture(run)) for run in runs],
            stop or StopRule(),
            seed=seed,
            meter=backend.meter(),
            between_rounds=backend.check,
            progress=progress,
        )
    clock = backend.verdict(samples).clock
    copy, product, chain = map(median_interval, samples.steady(clock))
    return MeasuredRates(
        bandwidth_bytes_per_s=_per_second(2 * sizes.copied_bytes, copy),
        flops_per_s=_per_second(2 * sizes.rows**3, product),
        launch_ms=Median(*(ms / sizes.launches for ms in chain)),
        dtype=dtype,
        n=samples.rounds,
        clock=clock,
    )


def _runs(place: torch.device, dtype: DType, sizes: Sizes, seed: int) -> list[Callable[[], object]]:
    """A copy, a product, a chain; of random numbers, since zeros take less power and so run at higher clocks."""
    generator = torch.Generator(place).manual_seed(seed)
    source = torch.empty(sizes.copied_bytes // WORD_BYTES, dtype=torch.int64, device=place).random_(generator=generator)
    target = torch.empty_like(source)
    shape = (2, sizes.rows, sizes.rows)
    left, right = torch.randn(shape, device=place, generator=generator).to(getattr(torch, dtype))
    product, tiny = torch.empty_like(left), torch.zeros(1, device=place)

    def chain() -> None:
        for _ in range(sizes.launches):
            tiny.add_(1)

    return [lambda: target.copy_(source), lambda: torch.mm(left, right, out=product), chain]


def _per_second(amount: int, ms: Median) -> Median:
    """Rates from times; the longest time is the lowest rate."""
    return Median(1e3 * amount / ms.value, 1e3 * amount / ms.high, 1e3 * amount / ms.low)
