"""Names of GPUs as drivers give them and as people type them, and what is published about them."""

import subprocess
import sys

import pytest

from nas_search.errors import InputError
from nas_search.profiler.known_devices import GIB, KNOWN_DEVICES, KnownDevice, find_known, short_name
from nas_search.profiler.roofline import Rates

# As drivers name them, with the GiB that they report, and what people type.
DRIVERS = [
    ("NVIDIA H100 80GB HBM3", 79.1, "h100"),
    ("NVIDIA H100 PCIe", 79.1, "h100-pcie"),
    ("NVIDIA H200", 139.8, "h200"),
    ("NVIDIA GH200 480GB", 94.5, "gh200"),
    ("NVIDIA GH200 480GB", 140.0, "gh200-144gb"),
    ("NVIDIA B200", 178.35, "b200"),
    ("NVIDIA A100-SXM4-80GB", 79.2, "a100"),
    ("NVIDIA A100-SXM4-40GB", 39.4, "a100-40gb"),
    ("A100-SXM4-40GB", 39.4, "a100-40gb"),
    ("NVIDIA A100 80GB PCIe", 79.2, "a100-pcie"),
    ("NVIDIA A100-PCIE-40GB", 39.4, "a100-pcie-40gb"),
    ("Tesla T4", 14.75, "t4"),
    ("Tesla V100-SXM2-16GB", 15.8, "v100-16gb"),
    ("Tesla V100-SXM2-32GB", 31.7, "v100"),
    ("NVIDIA A10G", 22.2, "a10g"),
    ("NVIDIA L4", 22.0, "l4"),
    ("NVIDIA L40S", 44.4, "l40s"),
    ("NVIDIA RTX A6000", 47.5, "rtxa6000"),
    ("NVIDIA RTX 6000 Ada Generation", 47.4, "rtx6000-ada"),
    ("NVIDIA GeForce RTX 3090", 23.7, "rtx3090"),
    ("NVIDIA GeForce RTX 3090 Ti", 23.7, "rtx3090-ti"),
    ("NVIDIA GeForce RTX 4090", 23.5, "rtx4090"),
    ("NVIDIA GeForce RTX 5090", 31.4, "rtx5090"),
]


@pytest.mark.parametrize(("driver_name", "gib", "name"), DRIVERS)
def test_what_drivers_say(driver_name: str, gib: float, name: str) -> None:
    known = find_known(driver_name, round(gib * GIB))
    assert known is not None
    assert short_name(driver_name, round(gib * GIB)) == known.name == name


@pytest.mark.parametrize("text", ["h100", "H100", " NVIDIA h100 80gb hbm3 ", "rtx-4090", "GeForce RTX 4090"])
def test_what_people_type(text: str) -> None:
    known = find_known(text)
    assert known is not None
    assert known.name in {"h100", "rtx4090"}


@pytest.mark.parametrize(
    ("driver_name", "gib", "name"),
    [
        ("NVIDIA RTX 2000 Ada Generation", 16, "rtx2000-ada-generation"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 16, "rtx4090-laptop-gpu"),
        ("NVIDIA GeForce RTX 4090 D", 24, "rtx4090-d"),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", 10, "h100-80gb-hbm3-mig-1g-10gb"),
        ("NVIDIA H100 NVL", 94, "h100-nvl"),
        ("Quadro GV100", 32, "gv100"),
        ("AMD Instinct MI300X", 192, "amd-instinct-mi300x"),
        # Of another memory than the known device of that name: with other chips and another bandwidth.
        ("NVIDIA GeForce RTX 3080", 12, "rtx3080-12gb"),
    ],
)
def test_what_is_like_a_known_device_is_none(driver_name: str, gib: int, name: str) -> None:
    assert find_known(driver_name, gib * GIB) is None
    assert short_name(driver_name, gib * GIB) == name
    assert find_known(name) is None


@pytest.mark.parametrize("text", ["", "cpu", "cuda", "h", "100", "4090", "nvidia"])
def test_unknown_names(text: str) -> None:
    assert find_known(text) is None


def test_every_device_is_found_by_each_of_its_names() -> None:
    assert len({device.name for device in KNOWN_DEVICES}) == len(KNOWN_DEVICES)
    for device in KNOWN_DEVICES:
        assert find_known(device.name) is device
        for driver_name in device.driver_names:
            assert find_known(driver_name, device.memory_bytes) is device


@pytest.mark.parametrize("device", KNOWN_DEVICES, ids=lambda device: device.name)
def test_figures_are_of_the_right_size(device: KnownDevice) -> None:
    """A slip of the decimal point or a rate with sparsity would stand out."""
    half, full = device.flops_per_s["float16"], device.flops_per_s["float32"]
    assert device.flops_per_s.get("bfloat16", half) == half
    assert 1.9 <= half / full <= 31
    flops_per_byte, seconds_to_read_all = (x / device.bandwidth_bytes_per_s for x in (half, device.memory_bytes))
    assert 70 <= flops_per_byte <= 430
    assert 0.014 <= seconds_to_read_all <= 0.09
    assert 4 <= device.cache_bytes / 2**20 <= 126


def test_rates() -> None:
    h100, t4 = find_known("h100"), find_known("t4")
    assert h100 is not None
    assert t4 is not None
    assert h100.rates("bfloat16") == Rates(3.35e12, 989.4e12, h100.launch_ms)
    assert h100.rates("float32").flops_per_s == pytest.approx(66.9e12)
    with pytest.raises(InputError, match="device 't4': no rate is published for bfloat16, only for float32, float16"):
        t4.rates("bfloat16")


def test_torch_is_not_imported() -> None:
    modules = "nas_search.profiler.known_devices, nas_search.profiler.estimate"
    code = f"import sys, {modules}\nprint('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
