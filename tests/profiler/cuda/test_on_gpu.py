"""The real driver, where there is one."""

import time
from collections.abc import Callable

import pytest
import torch

from nas_search.errors import InputError
from nas_search.profiler.cuda.backend import CudaBackend
from nas_search.profiler.cuda.devices import cuda_devices
from nas_search.profiler.cuda.torch_driver import HEAD_START_MS, TorchDriver
from nas_search.profiler.device import resolve_device
from nas_search.profiler.measure import measure
from nas_search.profiler.measurement import Measurement
from nas_search.profiler.timing import StopRule
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture(scope="module")
def driver() -> TorchDriver:
    return TorchDriver()


@pytest.fixture
def backend(driver: TorchDriver) -> CudaBackend:
    return CudaBackend(cuda_devices(driver)[0], driver)


def product(size: int, repeats: int) -> Callable[[], torch.Tensor]:
    x, y = torch.randn(2, size, size, device="cuda:0", dtype=torch.bfloat16)
    out = torch.empty_like(x)

    def run() -> torch.Tensor:
        for _ in range(repeats):
            torch.mm(x, y, out=out)
        return out

    return run


def test_facts_are_sane(driver: TorchDriver) -> None:
    facts = driver.facts(0)
    assert driver.count() == torch.cuda.device_count()
    assert facts.name == torch.cuda.get_device_name(0)
    assert facts.memory_bytes > 2**30
    assert 2**20 <= facts.cache_bytes < 2**30
    assert facts.cuda == torch.version.cuda
    assert 300 < facts.max_sm_mhz < 5000
    assert 300 < facts.max_memory_mhz < 20_000
    assert 20 < facts.power_limit_w < 3000
    assert facts.driver != "unknown"


def test_devices_resolve(driver: TorchDriver) -> None:
    first = cuda_devices(driver)[0]
    assert resolve_device("cuda", driver) == resolve_device(first.name, driver) == first
    assert first.id == cuda_devices()[0].id


def test_conditions_are_sane(driver: TorchDriver) -> None:
    now, facts = driver.conditions(0), driver.facts(0)
    assert now.sm_mhz is not None
    assert now.memory_mhz is not None
    assert now.temperature_c is not None
    assert now.power_w is not None
    assert 0 < now.sm_mhz <= facts.max_sm_mhz
    assert 0 < now.memory_mhz <= facts.max_memory_mhz
    assert 10 < now.temperature_c < 110
    assert 5 < now.power_w < 1.5 * facts.power_limit_w


def test_a_device_at_rest_keeps_its_clocks(backend: CudaBackend) -> None:
    for _ in range(5):
        backend.check()


def test_a_head_start_keeps_the_device_waiting_about_as_long_as_it_says(driver: TorchDriver) -> None:
    before, after = driver.event(0), driver.event(0)
    driver.head_start(0)
    driver.synchronize(0)
    before.record()
    driver.head_start(0)
    after.record()
    after.synchronize()
    assert 0.8 * HEAD_START_MS < before.elapsed_time(after) < 10 * HEAD_START_MS


def test_event_time_is_close_to_wall_time(backend: CudaBackend) -> None:
    run, meter = product(4096, repeats=200), backend.meter()
    run()
    torch.cuda.synchronize()
    meter.start()
    run()
    found = meter.stop()
    started = time.perf_counter()
    run()
    torch.cuda.synchronize()
    wall_ms = 1e3 * (time.perf_counter() - started)
    assert found.device > 0
    assert found.wall >= found.device
    assert found.device == pytest.approx(wall_ms, rel=0.3)


def test_short_runs_are_measured_without_their_launches(backend: CudaBackend) -> None:
    run = backend.capture(product(64, repeats=1))
    run()
    meter = backend.meter()
    meter.start()
    for _ in range(20):
        run()
    assert 0 < meter.stop().device < HEAD_START_MS


def test_energy_rises_with_work(backend: CudaBackend) -> None:
    try:
        meter = backend.energy_meter()
    except InputError:
        pytest.skip("the device has no energy counter")
    run = product(4096, repeats=20)
    meter.start()
    until = time.perf_counter() + 2.0
    while time.perf_counter() < until:
        run()
        torch.cuda.synchronize()
    spent_w = meter.stop().device / 2e3
    assert 20 < spent_w < 1.5 * TorchDriver().facts(0).power_limit_w


def test_a_capture_replays(backend: CudaBackend) -> None:
    counter = torch.zeros((), device=backend.torch_device)
    replay = backend.capture(lambda: counter.add_(1))
    warm = counter.item()
    for _ in range(3):
        replay()
    assert counter.item() == warm + 3


def test_peak_memory_is_what_a_run_had_at_most(backend: CudaBackend) -> None:
    def run() -> None:
        x = torch.ones(50 * 2**20, device=backend.torch_device)
        del x
        torch.ones(2**20, device=backend.torch_device)

    assert backend.peak_bytes(run) == pytest.approx(200 * 2**20, rel=0.02)


def test_free_memory_is_less_by_what_is_taken(backend: CudaBackend) -> None:
    before = backend.free_bytes()
    kept = torch.ones(2**28, dtype=torch.uint8, device=backend.torch_device)
    assert before - backend.free_bytes() == pytest.approx(len(kept), rel=0.1)


@pytest.mark.parametrize("text", ["decode:64", "prefill:64", "memory:64", "throughput:64,batch=4"])
def test_whole_networks(backend: CudaBackend, text: str) -> None:
    networks = [Architecture.parse("w256 (a f)x2"), Architecture.parse("w256 (m2 f)x4")]
    workload = Workload.parse(text, backend.device.default_dtype)
    rule = StopRule(interval=0.05, max_rounds=50)
    found = measure(networks, workload, device=backend.device, backend=backend, seed=0, stop=rule)
    assert all(isinstance(outcome, Measurement) and outcome.value > 0 for outcome in found)
