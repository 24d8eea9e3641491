"""What a figure of this machine's processor depends on.

Nothing here imports torch: its version is read from the installed package's metadata.
"""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

import psutil

from nas_search.profiler.versions import package_version

# Two threads on a busy machine are many times slower than one, so networks are timed on one.
TIMING_THREADS = 1
CPU_INFO = Path("/proc/cpuinfo")


@cache
def cpu_fingerprint() -> dict[str, str]:
    """Processor, vector instructions, versions and threads; cores and memory for people."""
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
