"""Where the GPU benchmark runs: timing by events, captured graphs, clocks, and what is known of the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import torch
from comparison import Comparison, Rounds, Row, Run, Timer, summarise, take_turns
from torch import Tensor

from nas_search.profiler.device import package_version
from nas_search.profiler.timing import garbage_collector_off
from nas_search.space.decode_graph import Capture, cuda_capture
from nas_search.space.kernels import causal_conv1d, fla, flash_attention, mamba_ssm

# Norm of a difference over the norm of what we compute: both sides round everything between inputs and outputs to
# eight bits.
HALF_AGREEMENT = 5e-2
# Overwritten before every run, so that the second-level cache holds nothing of use, and so many that the host can queue
# a captured step of a whole network meanwhile.
HEAD_START_BYTES = 1 << 31
COPIED_BYTES = 1 << 30
WARM_UPS = 2
# Memory bandwidth in bytes per second, by the name that the driver gives: NVIDIA's data sheets.
PUBLISHED_BANDWIDTH = {
    "NVIDIA A100-SXM4-40GB": 1.555e12,
    "NVIDIA A100-SXM4-80GB": 2.039e12,
    "NVIDIA H100 PCIe": 2.0e12,
    "NVIDIA H100 80GB HBM3": 3.35e12,
    "NVIDIA H200": 4.8e12,
}
PACKAGES = ("torch", "triton", *(module.PACKAGE for module in (flash_attention, mamba_ssm, causal_conv1d, fla)))


@dataclass(frozen=True)
class Clocks:
    """In MHz."""

    multiprocessors: int
    memory: int


class Figures(NamedTuple):
    """A row for each contestant, and the clocks before and after they were timed; None where they are unknown."""

    rows: list[Row]
    clocks: tuple[Clocks | None, Clocks | None]


@dataclass(frozen=True)
class Bench:
    """A device and how things are timed on it. Tests have one that needs no GPU.

    ``new_capture`` makes what captures graphs, ``cache_bytes`` is the size of the second-level cache, ``agreement`` the
    largest difference of contestants, ``published`` the memory bandwidth in bytes per second, if it is known.
    """

    device: torch.device
    dtype: torch.dtype
    timer: Timer
    new_capture: Callable[[], Capture]
    clocks: Callable[[], Clocks | None]
    cache_bytes: int
    copied_bytes: int
    agreement: float
    published: float | None = None

    def normal(self, *shape: int) -> Tensor:
        """Random numbers from N(0, 1)."""
        return torch.randn(shape, device=self.device, dtype=self.dtype)

    def measure(self, comparison: Comparison, rounds: Rounds) -> Figures:
        """Time all contestants in turn, after a round to warm up and one that says how long a round takes."""
        runs = comparison.contestants.values()
        with garbage_collector_off():
            n = rounds.count(take_turns(runs, WARM_UPS, self.timer)[-1].sum() / 1e3)
            before = self.clocks()
            times = take_turns(runs, n, self.timer)
            return Figures(summarise(comparison, times), (before, self.clocks()))


class EventTimer:
    """Milliseconds on the device between two events around a run."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._head_start = torch.empty(HEAD_START_BYTES, dtype=torch.uint8, device=device)

    def __call__(self, run: Run) -> float:
        """Waits for the end of the run."""
        before, after = (torch.Event(self._device, enable_timing=True) for _ in range(2))
        self._head_start.zero_()
        before.record()
        run()
        after.record()
        after.synchronize()
        return before.elapsed_time(after)


class Nvml:
    """What the driver says, as far as pynvml can be imported and knows the device."""

    def __init__(self, device: torch.device) -> None:
        self._library: Any = None
        try:
            library = import_module("pynvml")
            library.nvmlInit()
            # By its identifier: the driver counts devices that CUDA may not see.
            uuid = torch.cuda.get_device_properties(device).uuid
            self._handle = library.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
            self._library = library
        except Exception as error:
            # No package, no library of the driver, no such device: nothing else depends on it.
            print(f"clocks and driver are unknown: {type(error).__name__}: {error}")

    def clocks(self) -> Clocks | None:
        """Right now."""
        if self._library is None:
            return None
        kinds = (self._library.NVML_CLOCK_SM, self._library.NVML_CLOCK_MEM)
        return Clocks(*(self._library.nvmlDeviceGetClockInfo(self._handle, kind) for kind in kinds))

    def driver(self) -> str | None:
        """Its version."""
        return None if self._library is None else str(self._library.nvmlSystemGetDriverVersion())


def gpu_bench(device: torch.device, nvml: Nvml) -> Bench:
    """bfloat16 on a CUDA device."""
    properties = torch.cuda.get_device_properties(device)
    return Bench(
        device=device,
        dtype=torch.bfloat16,
        timer=EventTimer(device),
        new_capture=partial(cuda_capture, device),
        clocks=nvml.clocks,
        cache_bytes=properties.L2_cache_size,
        copied_bytes=COPIED_BYTES,
        agreement=HALF_AGREEMENT,
        published=PUBLISHED_BANDWIDTH.get(properties.name),
    )


def device_facts(device: torch.device, nvml: Nvml) -> dict[str, Any]:
    """What figures depend on."""
    properties = torch.cuda.get_device_properties(device)
    return {
        "name": properties.name,
        "driver": nvml.driver() or "unknown",
        "cuda": torch.version.cuda,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "memory_bytes": properties.total_memory,
        "cache_bytes": properties.L2_cache_size,
        "published_bandwidth": PUBLISHED_BANDWIDTH.get(properties.name),
        "versions": {name: package_version(name) for name in (*PACKAGES, "fla-core", "nas-search")},
    }
