from functools import partial
from itertools import count
from typing import Any

import pytest
import torch
from cuda_fakes import H100, STEADY, FakeDriver, fake_backend

from nas_search.errors import InputError, RunError
from nas_search.profiler.backend import Verdict, backend_of
from nas_search.profiler.cuda.backend import CudaBackend
from nas_search.profiler.cuda.devices import cuda_devices
from nas_search.profiler.device import Device
from nas_search.profiler.measure import measure
from nas_search.profiler.measurement import Measurement
from nas_search.profiler.timing import StopRule
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture

pytestmark = pytest.mark.usefixtures("no_kernel_packages")

NETWORKS = [Architecture.parse(text) for text in ("w32 a f", "w32 (m2 f d)x2 swa[window=8]")]
QUICK = StopRule(interval=0.5, min_rounds=3, max_rounds=3, max_seconds=10)


def outcomes(text: str, driver: FakeDriver, **options: Any) -> list[Any]:
    backend = fake_backend(driver)
    workload = Workload.parse(text, backend.device.default_dtype)
    settings = {"seed": 0, "stop": QUICK} | options
    return measure(NETWORKS, workload, device=backend.device, backend=backend, **settings)


@pytest.mark.parametrize("text", ["decode:16", "prefill:16", "generate:4,prompt=8", "throughput:16,batch=3"])
def test_whole_networks_are_measured_by_events(text: str) -> None:
    driver = FakeDriver()
    for found in outcomes(text, driver):
        assert isinstance(found, Measurement)
        assert found.value > 0
        assert found.low <= found.value <= found.high
        assert (found.clock, found.busy) == ("device", False)
        assert (found.before, found.after) == (STEADY, STEADY)
        assert found.precision.parameters == "bfloat16"
        assert found.device_id.startswith("h100-")
    assert "head start" in driver.asked


def test_steps_are_captured() -> None:
    driver = FakeDriver()
    outcomes("decode:16", driver)
    assert driver.asked.count("capture") == len(NETWORKS)


def test_energy_of_whole_networks_is_that_of_the_counter() -> None:
    """Every reading of this clock is half a second after the one before: so long is a run, and so long a sample."""
    driver = FakeDriver(watts=1000.0, clock=partial(next, count(0.0, 0.5)))
    for found in outcomes("energy:16,batch=2", driver):
        runs, sequences = 2, 2
        assert (found.value, found.unit) == (1000 * 500 / runs / sequences, "mJ/token")


def test_memory_of_whole_networks_is_that_of_the_allocator() -> None:
    driver = FakeDriver(run_bytes=5 * 2**20)
    assert [found.value for found in outcomes("memory:16", driver)] == [5.0, 5.0]
    assert driver.asked.count("reset peak") == 2


def test_a_throttled_device_is_refused() -> None:
    hot = STEADY.model_copy(update={"throttled": ("hardware thermal slowdown",), "temperature_c": 91})
    with pytest.raises(RunError, match="91 °C"):
        outcomes("decode:16", FakeDriver(now=lambda: hot))


def test_others_on_the_device_are_told() -> None:
    shared = STEADY.model_copy(update={"others": 2})
    assert all(
        found.busy and found.clock == "device" for found in outcomes("decode:16", FakeDriver(now=lambda: shared))
    )


def test_what_happened_before_a_session_is_not_its_own() -> None:
    """Nothing is remembered from one backend to the next."""
    driver = FakeDriver(now=lambda: STEADY.model_copy(update={"others": 1}))
    fake_backend(driver).check()
    slower = STEADY.model_copy(update={"sm_mhz": 1410})
    driver.now = lambda: slower
    second = fake_backend(driver)
    second.check()
    assert second.conditions() == slower
    assert second.verdict(None) == Verdict("device", busy=False)  # type: ignore[arg-type]


def test_memory_that_nobody_uses() -> None:
    assert fake_backend(FakeDriver(free=123)).free_bytes() == 123


def test_a_device_is_measured_where_it_is() -> None:
    class Places(FakeDriver):
        def torch_device(self, index: int) -> torch.device:
            return torch.device("cuda", index)

    driver = Places([H100, H100])
    assert [CudaBackend(device, driver).torch_device.index for device in cuda_devices(driver)] == [0, 1]


def test_a_device_elsewhere_is_refused() -> None:
    with pytest.raises(InputError, match="'h100' is not on this machine"):
        backend_of(Device(name="h100", fingerprint={"kind": "cuda"}, place=None))
