import subprocess
import sys

import pytest

from nas_search.errors import InputError
from nas_search.profiler.device import Device, list_devices, resolve_device


def test_cpu_says_what_figures_depend_on() -> None:
    device = resolve_device("cpu")
    for fact in ("cpu", "simd", "cores", "memory_gib", "system", "python", "torch", "threads"):
        assert device.fingerprint[fact]
    assert device.fingerprint["threads"] == "1"
    assert device == list_devices()[0]
    assert device.id.startswith("cpu-")


@pytest.mark.parametrize("name", ["tpu", "", "CPU", "cpu:1"])
def test_unknown_device_lists_what_there_is(name: str) -> None:
    with pytest.raises(InputError, match="this machine has 'cpu'"):
        resolve_device(name)


@pytest.mark.parametrize(("fact", "same"), [("cores", True), ("memory_gib", True), ("cpu", False), ("torch", False)])
def test_identity(fact: str, same: bool) -> None:
    device = resolve_device("cpu")
    other = Device(name="cpu", fingerprint={**device.fingerprint, fact: "another"})
    assert (other.id == device.id) is same


def test_nothing_torch_free_imports_torch() -> None:
    modules = "device, workload, phases, table, table_file, record, check, calibrate, cost_model, measure"
    code = f"import sys; from nas_search.profiler import {modules}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
