"""What measuring needs of a place where networks run: its clocks, its memory, and how a step is launched there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from nas_search.errors import InputError

if TYPE_CHECKING:
    import torch

    from nas_search.profiler.conditions import Conditions
    from nas_search.profiler.device import Device
    from nas_search.profiler.statistics import ClockName
    from nas_search.profiler.timing import Meter, Samples

Run = Callable[[], object]


class Verdict(NamedTuple):
    """Which clock counts for some samples, and whether others used the device meanwhile."""

    clock: ClockName
    busy: bool


class Backend(Protocol):
    """A device of this machine, ready to be measured on."""

    device: Device

    @property
    def torch_device(self) -> torch.device:
        """Where weights, states and tokens go."""
        ...

    def meter(self) -> Meter:
        """Measures time, in milliseconds."""
        ...

    def energy_meter(self) -> Meter:
        """Measures energy, in millijoules. Raises InputError if the device has no counter."""
        ...

    def capture(self, run: Run) -> Run:
        """What does the same as ``run`` with the least work for the host; it may be called a few times to warm up."""
        ...

    def verdict(self, samples: Samples) -> Verdict:
        """What the samples say about the device while they were taken."""
        ...

    def conditions(self) -> Conditions | None:
        """What the driver says now; None where there is none to ask."""
        ...

    def check(self) -> None:
        """Called between rounds. Raises RunError if the device does not run at its clocks."""
        ...

    def free_bytes(self) -> int:
        """Memory for weights and states that nobody uses now."""
        ...

    def peak_bytes(self, run: Run) -> int:
        """The most memory that ``run``, called once, had in use at once beyond what was in use before."""
        ...


def backend_of(device: Device) -> Backend:
    """The backend of a device. Raises InputError if it is not on this machine."""
    if device.place is None:
        raise InputError(f"device '{device.name}' is not on this machine: nothing can be measured on it here")
    if device.kind == "cpu":
        from nas_search.profiler.cpu_backend import CpuBackend

        return CpuBackend(device)
    from nas_search.profiler.cuda.backend import CudaBackend
    from nas_search.profiler.cuda.torch_driver import TorchDriver

    return CudaBackend(device, TorchDriver())
