"""Which device latency is counted on, and what makes two devices the same one.

Resolving the name of the processor does not import torch; looking for GPUs does.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from nas_search.errors import InputError
from nas_search.profiler.cpu_facts import cpu_fingerprint
from nas_search.profiler.precision import DType

if TYPE_CHECKING:
    from nas_search.profiler.cuda.driver import CudaDriver

CPU, CUDA = "cpu", "cuda"
# What a figure depends on, by kind. Other facts are told too, but figures do not follow from them.
IDENTITY = {
    CPU: ("kind", "cpu", "simd", "architecture", "system", "python", "torch", "threads"),
    CUDA: ("kind", "gpu", "memory_gib", "driver", "cuda", "torch", "kernels", "max_clocks", "power_limit_w"),
}


class Device(BaseModel):
    """A place where networks run: its name on the command line and the facts that its figures depend on.

    ``place`` is its name in PyTorch on this machine, None for a device that is elsewhere and known by its table.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    fingerprint: dict[str, str]
    place: str | None = Field(None, exclude=True)

    @property
    def kind(self) -> Literal["cpu", "cuda"]:
        """Of what kind it is."""
        return "cuda" if self.fingerprint.get("kind") == CUDA else "cpu"

    @property
    def captures_steps(self) -> bool:
        """Whether decoding replays captured graphs there, each of which serves a range of contexts."""
        return self.kind == CUDA

    @property
    def default_dtype(self) -> DType:
        """The number format of a workload that names none."""
        return "bfloat16" if self.kind == CUDA else "float32"

    @property
    def id(self) -> str:
        """The name and 12 hexadecimal digits; equal on two machines with the same hardware and versions."""
        identity = {key: self.fingerprint.get(key, "") for key in IDENTITY[self.kind]}
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        return f"{self.name}-{digest[:12]}"

    @property
    def description(self) -> str:
        """One line for people, e.g. ``cpu (AMD EPYC, family 25, model 17; AVX512; torch 2.13.0; 1 thread)``."""
        facts = self.fingerprint
        threads = facts.get("threads", "")
        titles = {
            CPU: {"cpu": "", "simd": "", "torch": "torch ", "threads": ""},
            CUDA: {"gpu": "", "driver": "driver ", "cuda": "CUDA ", "torch": "torch "},
        }[self.kind]
        known = {name: f"{title}{facts[name]}" for name, title in titles.items() if name in facts}
        if "threads" in known:
            known["threads"] += f" thread{'s' * (threads != '1')}"
        return f"{self.name} ({'; '.join(known.values())})"


def list_devices(driver: CudaDriver | None = None) -> list[Device]:
    """Every device of this machine that networks can be timed on; ``driver`` finds the GPUs. Imports torch."""
    return [_processor(), *_gpus(driver)]


def resolve_device(name: str, driver: CudaDriver | None = None) -> Device:
    """The device called ``name``: ``cpu``, ``cuda`` (the first GPU), ``cuda:1``, or a GPU's name such as ``h100``.

    Raises InputError, listing what there is, for any other name. Only names of GPUs import torch.
    """
    wanted = name.strip().lower()
    if wanted == CPU:
        return _processor()
    gpus = _gpus(driver)
    for gpu in gpus:
        if wanted in {gpu.name, gpu.place} or (wanted == CUDA and gpu is gpus[0]):
            return gpu
    known = ", ".join(f"'{device.name}'" for device in (_processor(), *gpus))
    raise InputError(f"unknown device {name!r}: this machine has {known}")


def _processor() -> Device:
    return Device(name=CPU, fingerprint=cpu_fingerprint(), place=CPU)


def _gpus(driver: CudaDriver | None) -> list[Device]:
    from nas_search.profiler.cuda.devices import cuda_devices

    return cuda_devices(driver)
