"""What vendors publish about GPUs, by the short names that people type, so that figures of a device need no device.

Rates are dense (without sparsity), at boost clocks, as in the data sheet or white paper that ``source`` names. Half
precision is that of tensor cores that add up in float32; float32 is that of ordinary cores, which is what PyTorch uses
unless it is told otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from nas_search.errors import InputError
from nas_search.profiler.precision import DType
from nas_search.profiler.roofline import Rates

# No vendor publishes what it costs to start a kernel. Two microseconds are an assumption: the order of magnitude of a
# tiny kernel in a captured graph. Measured rates have the figure of the device itself.
ASSUMED_LAUNCH_MS = 0.002
# Error-correcting codes and the driver take up to a twelfth of what is printed on the box.
MEMORY_TOLERANCE = 0.12
GIB = 2**30
MIB = 2**20
# Words of driver names that tell nothing apart.
BRANDS = frozenset({"nvidia", "geforce", "tesla", "quadro"})
# Written together with the number that follows: rtx4090.
SERIES = frozenset({"gtx", "rtx"})


class KnownDevice(NamedTuple):
    """A GPU as published. ``driver_names`` are those that its driver gives, ``cache_bytes`` is its second-level cache.

    Bandwidth counts bytes read and bytes written alike; ``flops_per_s`` lacks formats that it has no units for.
    """

    name: str
    title: str
    driver_names: tuple[str, ...]
    memory_bytes: int
    bandwidth_bytes_per_s: float
    flops_per_s: Mapping[DType, float]
    cache_bytes: int
    source: str
    launch_ms: float = ASSUMED_LAUNCH_MS

    def rates(self, dtype: DType) -> Rates:
        """The published rates for networks in ``dtype``. Raises InputError if none is published."""
        if dtype not in self.flops_per_s:
            known = ", ".join(self.flops_per_s)
            raise InputError(f"device '{self.name}': no rate is published for {dtype}, only for {known}")
        return Rates(self.bandwidth_bytes_per_s, self.flops_per_s[dtype], self.launch_ms)


def find_known(text: str, memory_bytes: int | None = None) -> KnownDevice | None:
    """The device with this short name, or whose driver calls it so; None if there is none.

    Names are compared as wholes: a laptop's variant, or a slice of a GPU, is another device. ``memory_bytes`` as the
    driver tells it decides between variants of one name, and refuses those with another memory.
    """
    wanted = _slug(text)
    for device in KNOWN_DEVICES:
        named = wanted in {device.name, *map(_slug, device.driver_names)}
        if named and (memory_bytes is None or _is_near(memory_bytes, device.memory_bytes)):
            return device
    return None


def short_name(driver_name: str, memory_bytes: int | None = None) -> str:
    """The name that people type for a device: a known one, or the driver's in small letters without the brand.

    A device that shares its name with a known one of another memory has its own in the name, as in ``rtx3080-12gb``.
    """
    known = find_known(driver_name, memory_bytes)
    if known is not None:
        return known.name
    slug = _slug(driver_name)
    if memory_bytes is not None and find_known(slug) is not None:
        return f"{slug}-{round(memory_bytes / GIB)}gb"
    return slug


def _slug(text: str) -> str:
    """``NVIDIA GeForce RTX 4090`` to ``rtx4090``: small letters and digits, joined by hyphens."""
    words = [word for word in re.findall(r"[a-z0-9]+", text.lower()) if word not in BRANDS]
    return "".join(word if word in SERIES else f"{word}-" for word in words).rstrip("-")


def _is_near(memory_bytes: int, published: int) -> bool:
    return abs(memory_bytes - published) <= MEMORY_TOLERANCE * published


def _gpu(
    name: str,
    title: str,
    *driver_names: str,
    gib: int,
    gb_per_s: float,
    float32: float,
    half: float,
    cache_mib: int,
    source: str,
    bfloat16: bool = True,
) -> KnownDevice:
    """Rates in TFLOP/s; the bandwidth in GB/s, decimal, as data sheets have it."""
    flops: dict[DType, float] = {"float32": float32 * 1e12, "float16": half * 1e12}
    if bfloat16:
        flops["bfloat16"] = half * 1e12
    return KnownDevice(
        name=name,
        title=f"NVIDIA {title}",
        driver_names=driver_names,
        memory_bytes=gib * GIB,
        bandwidth_bytes_per_s=gb_per_s * 1e9,
        flops_per_s=flops,
        cache_bytes=cache_mib * MIB,
        source=source,
    )


VOLTA = "Tesla V100 architecture white paper and data sheet"
TURING = "Turing architecture white paper, appendix on the T4"
AMPERE = "A100 architecture white paper and data sheet"
GA102 = "Ampere GA102 architecture white paper"
ADA = "Ada architecture white paper"
HOPPER = "H100 architecture white paper and data sheet"
BLACKWELL = "RTX Blackwell architecture white paper"


def _sheet(title: str) -> str:
    return f"{title} data sheet"


# Where one driver's name stands for several variants, the commonest is first.
KNOWN_DEVICES = (
    _gpu("t4", "T4", "Tesla T4",
         gib=16, gb_per_s=320, float32=8.1, half=65, cache_mib=4, source=TURING, bfloat16=False),
    _gpu("v100", "V100 SXM2 32 GB", "Tesla V100-SXM2-32GB",
         gib=32, gb_per_s=900, float32=15.7, half=125, cache_mib=6, source=VOLTA, bfloat16=False),
    _gpu("v100-16gb", "V100 SXM2 16 GB", "Tesla V100-SXM2-16GB",
         gib=16, gb_per_s=900, float32=15.7, half=125, cache_mib=6, source=VOLTA, bfloat16=False),
    _gpu("a100", "A100 SXM 80 GB", "NVIDIA A100-SXM4-80GB", "A100-SXM-80GB",
         gib=80, gb_per_s=2039, float32=19.5, half=312, cache_mib=40, source=AMPERE),
    _gpu("a100-40gb", "A100 SXM 40 GB", "NVIDIA A100-SXM4-40GB",
         gib=40, gb_per_s=1555, float32=19.5, half=312, cache_mib=40, source=AMPERE),
    _gpu("a100-pcie", "A100 PCIe 80 GB", "NVIDIA A100 80GB PCIe", "NVIDIA A100-PCIE-80GB",
         gib=80, gb_per_s=1935, float32=19.5, half=312, cache_mib=40, source=AMPERE),
    _gpu("a100-pcie-40gb", "A100 PCIe 40 GB", "NVIDIA A100-PCIE-40GB",
         gib=40, gb_per_s=1555, float32=19.5, half=312, cache_mib=40, source=AMPERE),
    _gpu("a30", "A30", "NVIDIA A30",
         gib=24, gb_per_s=933, float32=10.3, half=165, cache_mib=24, source=_sheet("A30")),
    _gpu("a10", "A10", "NVIDIA A10",
         gib=24, gb_per_s=600, float32=31.2, half=125, cache_mib=6, source=_sheet("A10")),
    _gpu("a10g", "A10G", "NVIDIA A10G",
         gib=24, gb_per_s=600, float32=35, half=70, cache_mib=6, source=_sheet("A10G")),
    _gpu("a40", "A40", "NVIDIA A40",
         gib=48, gb_per_s=696, float32=37.4, half=149.7, cache_mib=6, source=_sheet("A40")),
    _gpu("rtxa6000", "RTX A6000", "NVIDIA RTX A6000",
         gib=48, gb_per_s=768, float32=38.7, half=154.8, cache_mib=6, source=GA102),
    _gpu("rtx3080", "GeForce RTX 3080 10 GB", "NVIDIA GeForce RTX 3080",
         gib=10, gb_per_s=760, float32=29.8, half=59.5, cache_mib=5, source=GA102),
    _gpu("rtx3090", "GeForce RTX 3090", "NVIDIA GeForce RTX 3090",
         gib=24, gb_per_s=936, float32=35.6, half=71, cache_mib=6, source=GA102),
    _gpu("rtx3090-ti", "GeForce RTX 3090 Ti", "NVIDIA GeForce RTX 3090 Ti",
         gib=24, gb_per_s=1008, float32=40, half=80, cache_mib=6, source=ADA),
    _gpu("l4", "L4", "NVIDIA L4",
         gib=24, gb_per_s=300, float32=30.3, half=121, cache_mib=48, source=_sheet("L4")),
    _gpu("l40", "L40", "NVIDIA L40",
         gib=48, gb_per_s=864, float32=90.5, half=181, cache_mib=96, source=_sheet("L40")),
    _gpu("l40s", "L40S", "NVIDIA L40S",
         gib=48, gb_per_s=864, float32=91.6, half=362, cache_mib=96, source=_sheet("L40S")),
    _gpu("rtx6000-ada", "RTX 6000 Ada", "NVIDIA RTX 6000 Ada Generation",
         gib=48, gb_per_s=960, float32=91.1, half=364.2, cache_mib=96, source=_sheet("RTX 6000 Ada")),
    _gpu("rtx4080", "GeForce RTX 4080", "NVIDIA GeForce RTX 4080",
         gib=16, gb_per_s=716.8, float32=48.7, half=97.5, cache_mib=64, source=ADA),
    _gpu("rtx4090", "GeForce RTX 4090", "NVIDIA GeForce RTX 4090",
         gib=24, gb_per_s=1008, float32=82.6, half=165.2, cache_mib=72, source=ADA),
    _gpu("h100", "H100 SXM", "NVIDIA H100 80GB HBM3",
         gib=80, gb_per_s=3350, float32=66.9, half=989.4, cache_mib=50, source=HOPPER),
    _gpu("h100-pcie", "H100 PCIe", "NVIDIA H100 PCIe",
         gib=80, gb_per_s=2000, float32=51.2, half=756, cache_mib=50, source=HOPPER),
    _gpu("h200", "H200 SXM", "NVIDIA H200",
         gib=141, gb_per_s=4800, float32=66.9, half=989.4, cache_mib=60, source=_sheet("H200")),
    _gpu("gh200", "GH200 96 GB", "NVIDIA GH200 480GB",
         gib=96, gb_per_s=4000, float32=67, half=990, cache_mib=60, source=_sheet("GH200")),
    _gpu("gh200-144gb", "GH200 144 GB", "NVIDIA GH200 144G HBM3e", "NVIDIA GH200 480GB",
         gib=144, gb_per_s=4900, float32=67, half=990, cache_mib=60, source=_sheet("GH200")),
    _gpu("b200", "B200", "NVIDIA B200",
         gib=180, gb_per_s=7700, float32=75, half=2250, cache_mib=126, source=_sheet("HGX B200")),
    _gpu("rtx5080", "GeForce RTX 5080", "NVIDIA GeForce RTX 5080",
         gib=16, gb_per_s=960, float32=56.3, half=112.6, cache_mib=64, source=BLACKWELL),
    _gpu("rtx5090", "GeForce RTX 5090", "NVIDIA GeForce RTX 5090",
         gib=32, gb_per_s=1792, float32=104.8, half=209.5, cache_mib=96, source=BLACKWELL),
)  # fmt: skip
