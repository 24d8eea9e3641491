"""Measuring on the processor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import torch

from nas_search.profiler.backend import Run, Verdict
from nas_search.profiler.device import Device
from nas_search.profiler.process_memory import peak_bytes
from nas_search.profiler.rapl import POWERCAP, RaplMeter
from nas_search.profiler.statistics import choose_clock, is_busy
from nas_search.profiler.timing import HostMeter

if TYPE_CHECKING:
    from nas_search.profiler.timing import Samples

# Beyond this share of the available memory a machine may start to swap, and timing would time the disk.
MEMORY_SHARE = 0.7


class CpuBackend:
    """The processor of this machine; ``powercap`` is where its energy counters are."""

    def __init__(self, device: Device, powercap: Path = POWERCAP) -> None:
        self.device, self._powercap = device, powercap

    @property
    def torch_device(self) -> torch.device:
        """Where weights, states and tokens go."""
        return torch.device("cpu")

    def meter(self) -> HostMeter:
        """Wall time, and CPU time of the calling thread."""
        return HostMeter()

    def energy_meter(self) -> RaplMeter:
        """The processor's own counters. Raises InputError if there are none or if they cannot be read."""
        return RaplMeter(self._powercap)

    def capture(self, run: Run) -> Run:
        """``run`` itself."""
        return run

    def verdict(self, samples: Samples) -> Verdict:
        """Wall time, or CPU time on a busy machine."""
        busy = is_busy(samples.wall, samples.device)
        return Verdict(choose_clock(samples.wall, samples.device), busy)

    def conditions(self) -> None:
        """A processor does not tell: others use it at any time, which wall over CPU time shows."""

    def check(self) -> None:
        """Nothing to ask; see :meth:`conditions`."""

    def free_bytes(self) -> int:
        """What can be taken without swapping."""
        return int(MEMORY_SHARE * psutil.virtual_memory().available)

    def peak_bytes(self, run: Run) -> int:
        """What this process had resident at most. Raises InputError on a system that does not tell."""
        return peak_bytes(run)
