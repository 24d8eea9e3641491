"""Everything that is asked of CUDA and of the driver: the boundary at which tests put an imaginary GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

if TYPE_CHECKING:
    import torch

    from nas_search.profiler.conditions import Conditions

Run = Callable[[], object]


class GpuFacts(NamedTuple):
    """What is known of one GPU; clocks and power limit are 0 where the driver does not tell."""

    name: str
    memory_bytes: int
    cache_bytes: int
    capability: str
    driver: str
    cuda: str
    max_sm_mhz: int
    max_memory_mhz: int
    power_limit_w: int


class Event(Protocol):
    """A moment on the device's own clock."""

    def record(self) -> None:
        """Now, after everything that was asked of the device before."""

    def synchronize(self) -> None:
        """Wait until the device has passed it."""

    def elapsed_time(self, end: Self, /) -> float:
        """Milliseconds from this moment to ``end``."""
        ...


class CudaDriver(Protocol):
    """The GPUs of a machine, by index."""

    def count(self) -> int:
        """How many there are that can be used; 0 where CUDA is missing or broken."""
        ...

    def facts(self, index: int) -> GpuFacts:
        """What does not change."""
        ...

    def conditions(self, index: int) -> Conditions:
        """What changes, while the device is kept at work: an idle one lowers its clocks. Waits for all its work."""
        ...

    def energy_mj(self, index: int) -> float | None:
        """The driver's energy counter in millijoules; None if there is none."""
        ...

    def seconds(self) -> float:
        """The host's clock, since some moment."""
        ...

    def torch_device(self, index: int) -> torch.device:
        """Where tensors go."""
        ...

    def event(self, index: int) -> Event:
        """A new event that can tell times."""
        ...

    def head_start(self, index: int) -> None:
        """Keep the device from what is asked of it next for about a millisecond, while the host goes on."""

    def synchronize(self, index: int) -> None:
        """Wait until the device has done everything."""

    def capture(self, index: int, run: Run) -> Run:
        """``run`` as a CUDA graph, after calling it a few times; what is returned replays it."""
        ...

    def free_bytes(self, index: int) -> int:
        """Memory that nobody uses, this process's cache of freed memory included."""
        ...

    def reset_peak(self, index: int) -> None:
        """Forget the greatest use of memory so far."""

    def allocated_bytes(self, index: int) -> int:
        """Memory that tensors of this process use now."""
        ...

    def peak_bytes(self, index: int) -> int:
        """The greatest use of memory since it was reset."""
        ...
