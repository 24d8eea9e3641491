"""Where the GPU benchmark runs: timing by events, captured graphs, clocks, and what is known of the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from comparison import Comparison, Rounds, Row, Run, Timer, summarise, take_turns
from torch import Tensor

from nas_search.profiler.cuda.nvml import Nvml as DeviceLibrary
from nas_search.profiler.known_devices import find_known
from nas_search.profiler.timing import garbage_collector_off
from nas_search.profiler.versions import package_version
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


class Nvml(DeviceLibrary):
    """What the driver says of a device, as far as pynvml can be imported and knows it."""

    def __init__(self, device: torch.device) -> None:
        super().__init__(str(torch.cuda.get_device_properties(device).uuid))
        if self.failure is not None:
            print(f"clocks and driver are unknown: {self.failure}")

    def clocks(self) -> Clocks | None:
        """Right now."""
        multiprocessors, memory = self.mhz()
        return None if multiprocessors is None or memory is None else Clocks(multiprocessors, memory)


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
        published=published_bandwidth(properties),
    )


def published_bandwidth(properties: Any) -> float | None:
    """Of the memory in bytes per second, by the name that the driver gives; None for an unknown device."""
    known = find_known(properties.name, properties.total_memory)
    return None if known is None else known.bandwidth_bytes_per_s


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
        "published_bandwidth": published_bandwidth(properties),
        "versions": {name: package_version(name) for name in (*PACKAGES, "fla-core", "nas-search")},
    }
