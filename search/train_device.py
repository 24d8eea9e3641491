"""Where training runs, which has nothing to do with the device whose latency counts."""

from __future__ import annotations

from typing import Literal

import psutil

from nas_search.errors import InputError
from nas_search.profiler.backend import backend_of
from nas_search.profiler.device import resolve_device

CPU = "cpu"
TrainDevice = Literal["cpu", "cuda"]
TrainChoice = Literal["auto", "cpu", "cuda"]
TRAIN_PARAMETERS: dict[TrainDevice, int] = {"cpu": 20_000_000, "cuda": 1_000_000_000}
"""A network with more parameters is scored as its twin. Not measured: estimates of what trains on some hundred
thousand tokens in minutes rather than hours."""


def resolve_train_device(name: TrainChoice) -> TrainDevice:
    """Where training runs. Asking for anything but the CPU imports torch. Raises InputError where there is no CUDA."""
    if name == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if name == "auto":
        return "cpu"
    raise InputError(f"train_device '{name}': PyTorch {torch.__version__} sees no CUDA device here; give cpu or auto")


def free_bytes(device: str) -> int:
    """Memory that trainings on a resolved device may use now, all together."""
    if device == CPU:
        return int(psutil.virtual_memory().available)
    return backend_of(resolve_device("cuda")).free_bytes()
