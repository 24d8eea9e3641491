"""GPUs by formula: their tensors are on the CPU, and graphs are plain calls."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from nas_search.profiler.backend import Run
from nas_search.profiler.conditions import Conditions
from nas_search.profiler.cuda.backend import CudaBackend
from nas_search.profiler.cuda.devices import cuda_devices
from nas_search.profiler.cuda.driver import GpuFacts

H100 = GpuFacts(
    name="NVIDIA H100 80GB HBM3",
    memory_bytes=85_000_000_000,
    cache_bytes=50 * 2**20,
    capability="9.0",
    driver="580.1",
    cuda="13.0",
    max_sm_mhz=1980,
    max_memory_mhz=2619,
    power_limit_w=700,
)
STEADY = Conditions(sm_mhz=1980, memory_mhz=2619, temperature_c=45, power_w=300.0)
WARM_UPS = 3


class FakeEvent:
    """A moment on the driver's clock."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds, self.at = seconds, float("nan")

    def record(self) -> None:
        self.at = self._seconds()

    def synchronize(self) -> None:
        pass

    def elapsed_time(self, end: "FakeEvent") -> float:
        return 1e3 * (end.at - self.at)


@dataclass
class FakeDriver:
    """A machine with ``gpus`` that all behave alike.

    ``clock`` is the host's and the devices', in seconds: the real one unless given. ``now`` answers each reading of the
    conditions. ``watts`` is the constant power that the energy counter adds up, None for no counter. A run has
    ``run_bytes`` in use at most beyond ``allocated``.
    """

    gpus: Sequence[GpuFacts] = (H100,)
    clock: Callable[[], float] = time.perf_counter
    now: Callable[[], Conditions] = lambda: STEADY
    watts: float | None = 300.0
    free: int = 80_000_000_000
    allocated: int = 1_000_000
    run_bytes: int = 64 * 2**20
    asked: list[str] = field(default_factory=list)

    def count(self) -> int:
        return len(self.gpus)

    def facts(self, index: int) -> GpuFacts:
        return self.gpus[index]

    def conditions(self, index: int) -> Conditions:
        return self.now()

    def energy_mj(self, index: int) -> float | None:
        return None if self.watts is None else 1e3 * self.watts * self.clock()

    def seconds(self) -> float:
        return self.clock()

    def torch_device(self, index: int) -> torch.device:
        return torch.device("cpu")

    def event(self, index: int) -> FakeEvent:
        return FakeEvent(self.clock)

    def head_start(self, index: int) -> None:
        self.asked.append("head start")

    def synchronize(self, index: int) -> None:
        self.asked.append("wait")

    def capture(self, index: int, run: Run) -> Run:
        for _ in range(WARM_UPS):
            run()
        self.asked.append("capture")
        return run

    def free_bytes(self, index: int) -> int:
        return self.free

    def reset_peak(self, index: int) -> None:
        self.asked.append("reset peak")

    def allocated_bytes(self, index: int) -> int:
        return self.allocated

    def peak_bytes(self, index: int) -> int:
        return self.allocated + self.run_bytes


def fake_backend(driver: FakeDriver | None = None, index: int = 0) -> CudaBackend:
    """The backend of one of the driver's GPUs, an H100 without a driver."""
    driver = driver or FakeDriver()
    return CudaBackend(cuda_devices(driver)[index], driver)
