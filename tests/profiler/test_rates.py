"""Rates from times: on a clock that the tests move, on the processor, and on a GPU by formula."""

from collections.abc import Iterator
from itertools import cycle

import pytest
import torch
from cuda_fakes import fake_backend

from nas_search.profiler.backend import Backend, Run
from nas_search.profiler.cpu_backend import CpuBackend
from nas_search.profiler.device import resolve_device
from nas_search.profiler.known_devices import KNOWN_DEVICES
from nas_search.profiler.precision import DType
from nas_search.profiler.rates import COPIED_BYTES, Sizes, measure_rates
from nas_search.profiler.roofline import Rates
from nas_search.profiler.timing import Elapsed, StopRule

SMALL = Sizes(copied_bytes=1 << 16, rows=48, launches=10)
SHORT = StopRule(min_rounds=9, max_rounds=9)


class Scripted(CpuBackend):
    """Runs take the milliseconds that are written: of the copy, the product and the chain of launches."""

    sample_ms = 0.0

    def __init__(self, *ms: tuple[float, ...]) -> None:
        super().__init__(resolve_device("cpu"))
        self._scripts: list[Iterator[float]] = [cycle(each) for each in ms]
        self._captured = 0
        self._now = self._started = 0.0

    def capture(self, run: Run) -> Run:
        script = self._scripts[self._captured]
        self._captured += 1

        def timed() -> None:
            run()
            self._now += next(script)

        return timed

    def meter(self) -> "Scripted":
        return self

    def start(self) -> None:
        self._started = self._now

    def stop(self) -> Elapsed:
        return Elapsed(self._now - self._started, self._now - self._started)

    def seconds(self) -> float:
        return self._now / 1e3


def test_rates_follow_from_times() -> None:
    found = measure_rates(Scripted((4.0,), (2.0,), (1.0,)), "float32", seed=0, stop=SHORT, sizes=SMALL)
    # Read and written; two FLOPs for each of 48 x 48 x 48 products; ten launches in a millisecond.
    assert found.bandwidth_bytes_per_s == pytest.approx((2 * 65536 / 4e-3,) * 3)
    assert found.flops_per_s == pytest.approx((2 * 48**3 / 2e-3,) * 3)
    assert found.launch_ms == pytest.approx((0.1,) * 3)
    assert found.rates == pytest.approx(Rates(2 * 65536 / 4e-3, 2 * 48**3 / 2e-3, 0.1))
    assert (found.dtype, found.n, found.clock) == ("float32", 9, "wall")


def test_the_longest_time_is_the_lowest_rate() -> None:
    times = tuple(20 + step for step in range(7))
    found = measure_rates(Scripted(times, times, times), "float32", seed=0, stop=SHORT, sizes=SMALL)
    for rate in (found.bandwidth_bytes_per_s, found.flops_per_s, found.launch_ms):
        assert rate.low < rate.value < rate.high
    assert found.launch_ms.low >= 2
    assert found.launch_ms.high <= 2.6
    assert found.bandwidth_bytes_per_s.low == pytest.approx(2 * 65536 / (10e-3 * found.launch_ms.high), rel=0.1)


@pytest.mark.parametrize(
    ("backend", "dtype", "clock"),
    [(CpuBackend(resolve_device("cpu")), "float32", None), (fake_backend(), "bfloat16", "device")],
)
def test_on_real_clocks(backend: Backend, dtype: DType, clock: str | None) -> None:
    threads, counts = torch.get_num_threads(), []
    found = measure_rates(
        backend, dtype, seed=0, stop=SHORT, sizes=SMALL, progress=lambda done, total: counts.append(done)
    )
    for rate in (found.bandwidth_bytes_per_s, found.flops_per_s, found.launch_ms):
        assert 0 < rate.low <= rate.value <= rate.high
    assert found.clock == (clock or found.clock)
    assert found.n == counts[-1] == 9
    assert torch.get_num_threads() == threads


def test_no_known_cache_holds_what_is_copied() -> None:
    assert all(2 * device.cache_bytes <= COPIED_BYTES for device in KNOWN_DEVICES)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_is_not_faster_than_published() -> None:
    from nas_search.profiler.backend import backend_of
    from nas_search.profiler.known_devices import find_known

    device = resolve_device("cuda")
    known = find_known(device.name)
    found = measure_rates(backend_of(device), "float16", seed=0, stop=StopRule(max_seconds=10))
    assert 0 < found.launch_ms.value < 0.1
    if known is not None:
        published = known.rates("float16")
        assert 0.5 < found.rates.bandwidth_bytes_per_s / published.bandwidth_bytes_per_s < 1.02
        assert 0.4 < found.rates.flops_per_s / published.flops_per_s < 1.1
