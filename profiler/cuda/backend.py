"""Measuring on a CUDA device."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from nas_search.profiler.backend import Run, Verdict
from nas_search.profiler.conditions import Conditions
from nas_search.profiler.cuda.driver import CudaDriver
from nas_search.profiler.cuda.meters import EnergyMeter, EventMeter
from nas_search.profiler.cuda.throttling import ClockWatch
from nas_search.profiler.device import Device

if TYPE_CHECKING:
    import torch

    from nas_search.profiler.timing import Samples


class CudaBackend:
    """One GPU of this machine for one session: its clocks are to stay what they were when it began."""

    def __init__(self, device: Device, driver: CudaDriver) -> None:
        self.device, self._driver = device, driver
        self._index = int((device.place or "").removeprefix("cuda:"))
        self._watch = ClockWatch(f"device '{device.name}' ({device.place})", self.conditions)

    @property
    def torch_device(self) -> torch.device:
        """Where weights, states and tokens go."""
        return self._driver.torch_device(self._index)

    def meter(self) -> EventMeter:
        """Events around the work."""
        return EventMeter(self._driver, self._index)

    def energy_meter(self) -> EnergyMeter:
        """The driver's counter. Raises InputError if there is none."""
        return EnergyMeter(self._driver, self._index)

    def capture(self, run: Run) -> Run:
        """A CUDA graph."""
        return self._driver.capture(self._index, run)

    def verdict(self, samples: Samples) -> Verdict:
        """The device's clock always; busy if other processes were on the device at any check."""
        return Verdict("device", self._watch.others_seen)

    def conditions(self) -> Conditions:
        """What the driver says now."""
        return self._driver.conditions(self._index)

    def check(self) -> None:
        """Raises RunError if the device does not run at its clocks."""
        self._watch.check()

    def free_bytes(self) -> int:
        """Memory that no process uses, and what this one has freed."""
        return self._driver.free_bytes(self._index)

    def peak_bytes(self, run: Run) -> int:
        """The most that tensors had in use at once while ``run`` was called once, beyond what was in use before."""
        gc.collect()
        self._driver.synchronize(self._index)
        self._driver.reset_peak(self._index)
        before = self._driver.allocated_bytes(self._index)
        run()
        self._driver.synchronize(self._index)
        return self._driver.peak_bytes(self._index) - before
