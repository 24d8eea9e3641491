import subprocess
import sys

import pytest
from cuda_fakes import H100, FakeDriver

from nas_search.errors import InputError
from nas_search.profiler.device import Device, list_devices, resolve_device


def test_cpu_says_what_figures_depend_on() -> None:
    device = resolve_device("cpu")
    for fact in ("cpu", "simd", "cores", "memory_gib", "system", "python", "torch", "threads"):
        assert device.fingerprint[fact]
    assert device.fingerprint["threads"] == "1"
    assert device == list_devices()[0]
    assert device.id.startswith("cpu-")


def test_gpus_come_behind_the_processor() -> None:
    found = list_devices(FakeDriver([H100, H100]))
    assert [(device.name, device.place, device.kind, device.default_dtype) for device in found] == [
        ("cpu", "cpu", "cpu", "float32"),
        ("h100", "cuda:0", "cuda", "bfloat16"),
        ("h100", "cuda:1", "cuda", "bfloat16"),
    ]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("cpu", "cpu"),
        (" CPU ", "cpu"),
        ("cuda", "cuda:0"),
        ("cuda:0", "cuda:0"),
        ("cuda:1", "cuda:1"),
        ("h100", "cuda:0"),
        ("H100", "cuda:0"),
    ],
)
def test_names(name: str, place: str) -> None:
    assert resolve_device(name, FakeDriver([H100, H100])).place == place


@pytest.mark.parametrize("name", ["tpu", "", "cpu:1", "cuda:2", "a100", "NVIDIA H100 80GB HBM3"])
def test_unknown_device_lists_what_there_is(name: str) -> None:
    with pytest.raises(InputError, match=r"this machine has 'cpu', 'h100', 'h100'$") as refused:
        resolve_device(name, FakeDriver([H100, H100]))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "h100"])
def test_without_a_gpu_there_is_the_processor(name: str) -> None:
    with pytest.raises(InputError, match=r"this machine has 'cpu'$"):
        resolve_device(name, FakeDriver([]))


@pytest.mark.parametrize(("fact", "same"), [("cores", True), ("memory_gib", True), ("cpu", False), ("torch", False)])
def test_identity(fact: str, same: bool) -> None:
    device = resolve_device("cpu")
    other = Device(name="cpu", fingerprint={**device.fingerprint, fact: "another"})
    assert (other.id == device.id) is same


@pytest.mark.parametrize(
    ("fact", "same"), [("capability", True), ("cache_mib", True), ("gpu", False), ("kernels", False)]
)
def test_identity_of_a_gpu(fact: str, same: bool) -> None:
    device = resolve_device("cuda", FakeDriver())
    other = Device(name="h100", fingerprint={**device.fingerprint, fact: "another"})
    assert (other.id == device.id) is same


def test_nothing_torch_free_imports_torch() -> None:
    modules = "backend, calibrate, check, conditions, device, known_devices, measure, phases, record, table, workload"
    gpu = "driver, meters, nvml, throttling"
    code = (
        f"import sys; from nas_search.profiler import {modules}; from nas_search.profiler.cuda import {gpu}; "
        "device.resolve_device('cpu'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
