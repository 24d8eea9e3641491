"""The CUDA devices of this machine, by name."""

from __future__ import annotations

from nas_search.profiler.cuda.driver import CudaDriver, GpuFacts
from nas_search.profiler.device import CUDA, Device
from nas_search.profiler.known_devices import short_name
from nas_search.profiler.versions import package_version
from nas_search.space.kernels import causal_conv1d, fla, flash_attention, mamba_ssm
from nas_search.space.kernels.fused import choice

MIB, GIB = 2**20, 2**30
KERNEL_PACKAGES = (*(module.PACKAGE for module in (choice, flash_attention, mamba_ssm, causal_conv1d, fla)), "fla-core")


def cuda_devices(driver: CudaDriver | None = None) -> list[Device]:
    """Every GPU that can be used, in CUDA's order; equal ones have the same name. By the real driver unless given."""
    if driver is None:
        from nas_search.profiler.cuda.torch_driver import TorchDriver

        driver = TorchDriver()
    return [_device(driver.facts(index), index) for index in range(driver.count())]


def _device(facts: GpuFacts, index: int) -> Device:
    name = short_name(facts.name, facts.memory_bytes)
    return Device(name=name, fingerprint=_fingerprint(facts), place=f"cuda:{index}")


def _fingerprint(facts: GpuFacts) -> dict[str, str]:
    return {
        "kind": CUDA,
        "gpu": facts.name,
        "memory_gib": str(round(facts.memory_bytes / GIB)),
        "driver": facts.driver,
        "cuda": facts.cuda,
        "torch": package_version("torch"),
        "kernels": _kernel_packages(),
        "max_clocks": f"{facts.max_sm_mhz or '?'}/{facts.max_memory_mhz or '?'} MHz",
        "power_limit_w": str(facts.power_limit_w or "?"),
        "capability": facts.capability,
        "cache_mib": str(round(facts.cache_bytes / MIB)),
    }


def _kernel_packages() -> str:
    """Names and versions of the packages with kernels that are installed."""
    versions = {name: package_version(name) for name in KERNEL_PACKAGES}
    return ", ".join(f"{name} {version}" for name, version in versions.items() if version != "none") or "none"
