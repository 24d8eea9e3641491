"""Which device latency is counted on, and what makes two devices the same one.

Nothing here imports torch: its version is read from the installed package's metadata.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict

from nas_search.errors import InputError

# Two threads on a busy machine are many times slower than one, so networks are timed on one.
TIMING_THREADS = 1
# What a figure depends on. Cores and memory are told too, but one thread's time does not follow from them.
IDENTITY = ("kind", "cpu", "simd", "architecture", "system", "python", "torch", "threads")
CPU_INFO = Path("/proc/cpuinfo")


class Device(BaseModel):
    """A place where networks run: its name on the command line and the facts that its figures depend on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    fingerprint: dict[str, str]

    @property
    def id(self) -> str:
        """``cpu-`` and 12 hexadecimal digits; equal on two machines with the same processor and versions."""
        identity = {key: self.fingerprint.get(key, "") for key in IDENTITY}
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        return f"{self.name}-{digest[:12]}"

    @property
    def description(self) -> str:
        """One line for people, e.g. ``cpu (AMD EPYC, family 25, model 17; AVX512; torch 2.13.0; 1 thread)``."""
        facts = self.fingerprint
        threads = facts.get("threads", "?")
        plural = "" if threads == "1" else "s"
        return (
            f"{self.name} ({facts.get('cpu', '?')}; {facts.get('simd', '?')}; torch {facts.get('torch', '?')}; "
            f"{threads} thread{plural})"
        )


def list_devices() -> list[Device]:
    """Every device of this machine that networks can be timed on."""
    return [Device(name="cpu", fingerprint=_cpu_fingerprint())]


def resolve_device(name: str) -> Device:
    """The device called ``name``. Raises InputError, listing what there is, for any other name."""
    devices = list_devices()
    for device in devices:
        if device.name == name:
            return device
    known = ", ".join(f"'{device.name}'" for device in devices)
    raise InputError(f"unknown device {name!r}: this machine has {known}")


@cache
def _cpu_fingerprint() -> dict[str, str]:
    info = _cpu_info()
    return {
        "kind": "cpu",
        "cpu": _cpu_model(info),
        "simd": _simd_level(info.get("flags", "")),
        "cores": str(os.cpu_count() or 1),
        "memory_gib": str(round(psutil.virtual_memory().total / 2**30)),
        "architecture": platform.machine(),
        "system": platform.system(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "torch": package_version("torch"),
        "threads": str(TIMING_THREADS),
    }


def package_version(name: str) -> str:
    """The installed version of a package, or ``none``; does not import it."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def _cpu_info() -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo; empty where there is no such file."""
    try:
        text = CPU_INFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.split("\n\n", 1)[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in lines}


def _cpu_model(info: dict[str, str]) -> str:
    """The processor's name with family and model, since virtual machines hide the exact name."""
    name = info.get("model name") or platform.processor() or platform.machine()
    numbers = [f"{key.removeprefix('cpu ')} {info[key]}" for key in ("cpu family", "model") if key in info]
    return ", ".join([name, *numbers])


def _simd_level(flags: str) -> str:
    present = set(flags.split())
    for level in ("avx512f", "avx2", "avx", "sse2"):
        if level in present:
            return level.removesuffix("f").upper()
    return "NEON" if platform.machine() in {"arm64", "aarch64"} else "unknown"
