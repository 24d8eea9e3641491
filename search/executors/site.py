"""Where a search works: which devices there are, how much work at a time, and what runs it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from nas_search.profiler.device import Device, resolve_device
from nas_search.search.config import SearchConfig, available_cores
from nas_search.search.executors.base import Executor
from nas_search.search.executors.local import LocalExecutor
from nas_search.search.train_device import CPU, TrainChoice, TrainDevice, free_bytes, resolve_train_device
from nas_search.space.kernels.report import check_kernels
from nas_search.space.operators.base import OperatorSpec

Operators = Sequence[OperatorSpec]


class Site(Protocol):
    """What a search asks of the machines that it may use, before and while it runs."""

    def device(self, name: str) -> Device:
        """The device called ``name``. Raises InputError, saying what there is, if nothing can be timed on it."""

    def train_device(self, name: TrainChoice) -> TrainDevice:
        """Where training runs. Raises InputError if there is no such device."""

    def room(self, train_device: TrainDevice) -> int:
        """How many candidates can sensibly train at a time."""

    def bytes_per_worker(self, train_device: TrainDevice, workers: int) -> int:
        """Free memory for each of so many trainings."""

    def kernel_notes(self, operators: Operators, device: Device, dtype: str, *, strict: bool) -> list[str]:
        """Which slower kernels would run on the device; with ``strict`` the first is a RunError."""

    def executor(self, run_dir: Path, workers: int) -> Executor:
        """Runs jobs for the search in ``run_dir``."""

    def close(self) -> None:
        """Leave, and stop what was started for this search."""


def kernel_notes(operators: Operators, device_kind: str, dtype: str, *, strict: bool) -> list[str]:
    """Which slower kernels the operators would run; with ``strict`` the first is a RunError."""
    notes: list[str] = []
    check_kernels(operators, device_kind, dtype=dtype, strict=strict, note=notes.append)
    return notes


class ThisMachine:
    """Worker processes on the machine that the search itself runs on."""

    def __init__(self, stall_seconds: float) -> None:
        self._stall_seconds = stall_seconds

    def device(self, name: str) -> Device:
        """A device of this machine."""
        return resolve_device(name)

    def train_device(self, name: TrainChoice) -> TrainDevice:
        """``auto`` is CUDA if PyTorch sees it."""
        return resolve_train_device(name)

    def room(self, train_device: TrainDevice) -> int:
        """One for each core, or one on the GPU."""
        return available_cores() if train_device == CPU else 1

    def bytes_per_worker(self, train_device: TrainDevice, workers: int) -> int:
        """All of them share the memory."""
        return free_bytes(train_device) // workers

    def kernel_notes(self, operators: Operators, device: Device, dtype: str, *, strict: bool) -> list[str]:
        """Of the packages that are installed here."""
        return kernel_notes(operators, device.kind, dtype, strict=strict)

    def executor(self, run_dir: Path, workers: int) -> Executor:
        """Worker processes."""
        return LocalExecutor(run_dir, workers, stall_seconds=self._stall_seconds)

    def close(self) -> None:
        """Nothing was started."""


def open_site(config: SearchConfig) -> Site:
    """The site that a configuration asks for. Raises InputError if it is not there."""
    stall_seconds = 60 * config.stall_minutes
    if config.executor == "local":
        return ThisMachine(stall_seconds)
    from nas_search.search.executors.cluster.site import open_ray_site

    return open_ray_site(config, stall_seconds)
