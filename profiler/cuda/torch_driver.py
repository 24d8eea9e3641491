"""The real GPUs, by PyTorch and NVIDIA's management library."""

from __future__ import annotations

import time
import warnings
from functools import cached_property
from typing import cast

import torch

from nas_search.profiler.conditions import Conditions
from nas_search.profiler.cuda.driver import Event, GpuFacts, Run
from nas_search.profiler.cuda.nvml import Nvml
from nas_search.space.decode_graph import Capture, cuda_capture
from nas_search.space.decode_graph import Run as Step

HEAD_START_MS = 1.0
# How long a device works while it is asked for its conditions; it does not fall idle at once behind that.
ASKED_MS = 5.0
# What an idle loop is counted by where the driver does not tell the highest clock.
USUAL_MHZ = 2000


class TorchDriver:
    """All CUDA devices that PyTorch sees in this process, each with one memory pool for its graphs."""

    def __init__(self) -> None:
        self._gpus: dict[int, _Gpu] = {}

    def count(self) -> int:
        """How many PyTorch sees; 0 if it was built without CUDA or finds no driver that works."""
        with warnings.catch_warnings():
            # PyTorch warns of a driver that is too old or broken; here that means as much as none.
            warnings.simplefilter("ignore")
            if not torch.cuda.is_available():
                return 0
            try:
                torch.cuda.init()  # type: ignore[no-untyped-call]
            except Exception:
                # Devices that are listed and cannot be used: lost, in exclusive use, or of another driver.
                return 0
            return torch.cuda.device_count()

    def facts(self, index: int) -> GpuFacts:
        """By both libraries."""
        return self._gpu(index).facts

    def conditions(self, index: int) -> Conditions:
        """Asked while the device runs an idle loop."""
        gpu = self._gpu(index)
        gpu.occupy(ASKED_MS)
        conditions = gpu.nvml.conditions()
        self.synchronize(index)
        return conditions

    def energy_mj(self, index: int) -> float | None:
        """The counter of the management library."""
        return self._gpu(index).nvml.energy_mj()

    def seconds(self) -> float:
        """The host's monotonic clock."""
        return time.perf_counter()

    def torch_device(self, index: int) -> torch.device:
        """``cuda:index``."""
        return self._gpu(index).place

    def event(self, index: int) -> Event:
        """An event of the device's current stream."""
        return cast("Event", torch.Event(self._gpu(index).place, enable_timing=True))

    def head_start(self, index: int) -> None:
        """Let the device run an idle loop."""
        self._gpu(index).occupy(HEAD_START_MS)

    def synchronize(self, index: int) -> None:
        """Wait for all streams of the device."""
        torch.cuda.synchronize(index)

    def capture(self, index: int, run: Run) -> Run:
        """As decoding does it."""
        gpu = self._gpu(index)
        step = cast("Step", run)
        with torch.cuda.device(gpu.place):
            return gpu.capture(step, step)

    def free_bytes(self, index: int) -> int:
        """What the driver has left once PyTorch has given back what it keeps in reserve.

        The management library is asked first: PyTorch would begin to use the device, and then a process that only
        plans a measurement counts as another one on it.
        """
        if torch.cuda.memory_reserved(index):
            torch.cuda.empty_cache()
        free = self._gpu(index).nvml.free_bytes()
        return torch.cuda.mem_get_info(index)[0] if free is None else free

    def reset_peak(self, index: int) -> None:
        """Of PyTorch's allocator."""
        torch.cuda.reset_peak_memory_stats(index)

    def allocated_bytes(self, index: int) -> int:
        """By PyTorch's allocator."""
        return torch.cuda.memory_allocated(index)

    def peak_bytes(self, index: int) -> int:
        """By PyTorch's allocator."""
        return torch.cuda.max_memory_allocated(index)

    def _gpu(self, index: int) -> _Gpu:
        return self._gpus.setdefault(index, _Gpu(index))


class _Gpu:
    """One device, looked at when it is first needed."""

    def __init__(self, index: int) -> None:
        self.place = torch.device("cuda", index)

    @cached_property
    def nvml(self) -> Nvml:
        return Nvml(str(torch.cuda.get_device_properties(self.place).uuid))

    @cached_property
    def capture(self) -> Capture:
        return cuda_capture(self.place)

    @cached_property
    def facts(self) -> GpuFacts:
        properties = torch.cuda.get_device_properties(self.place)
        sm_mhz, memory_mhz = self.nvml.max_mhz()
        return GpuFacts(
            name=properties.name,
            memory_bytes=properties.total_memory,
            cache_bytes=properties.L2_cache_size,
            capability=f"{properties.major}.{properties.minor}",
            driver=self.nvml.driver() or "unknown",
            cuda=torch.version.cuda or "unknown",
            max_sm_mhz=sm_mhz or 0,
            max_memory_mhz=memory_mhz or 0,
            power_limit_w=self.nvml.power_limit_w() or 0,
        )

    def occupy(self, milliseconds: float) -> None:
        """Queue a loop that does nothing for so long at the highest clock."""
        cycles = round(1e3 * (self.facts.max_sm_mhz or USUAL_MHZ) * milliseconds)
        with torch.cuda.device(self.place):
            torch.cuda._sleep(cycles)  # type: ignore[no-untyped-call]
