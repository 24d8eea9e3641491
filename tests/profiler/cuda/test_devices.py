import warnings

import pytest
import torch
from cuda_fakes import H100, FakeDriver

from nas_search.errors import InputError
from nas_search.profiler.cuda.devices import cuda_devices
from nas_search.profiler.device import IDENTITY, Device, list_devices, resolve_device

A100 = H100._replace(name="NVIDIA A100-SXM4-80GB", max_sm_mhz=1410, max_memory_mhz=1593, power_limit_w=400)


def test_two_equal_ones_share_a_name_and_differ_by_place() -> None:
    driver = FakeDriver([H100, H100, A100])
    first, second, other = cuda_devices(driver)
    assert (first.name, first.place) == ("h100", "cuda:0")
    assert (second.name, second.place) == ("h100", "cuda:1")
    assert other.place == "cuda:2"
    assert first.id == second.id != other.id
    assert resolve_device("h100", driver) == resolve_device("cuda", driver) == first
    assert resolve_device(" CUDA:1", driver).place == "cuda:1"
    assert [device.place for device in list_devices(driver)] == ["cpu", "cuda:0", "cuda:1", "cuda:2"]


def test_it_says_what_figures_depend_on() -> None:
    (device,) = cuda_devices(FakeDriver())
    assert set(IDENTITY["cuda"]) <= device.fingerprint.keys()
    assert device.kind == "cuda"
    assert device.fingerprint["gpu"] == "NVIDIA H100 80GB HBM3"
    assert device.fingerprint["max_clocks"] == "1980/2619 MHz"
    assert device.fingerprint["power_limit_w"] == "700"
    assert (device.fingerprint["memory_gib"], device.fingerprint["cache_mib"]) == ("79", "50")
    assert device.fingerprint["capability"] == "9.0"
    assert device.description.startswith("h100 (NVIDIA H100 80GB HBM3; driver 580.1; CUDA 13.0; torch ")


def test_kernel_packages_are_those_that_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"torch": "2.11.0", "triton": "3.6.0", "fla-core": "0.6.0"}
    monkeypatch.setattr("nas_search.profiler.cuda.devices.package_version", lambda name: there.get(name, "none"))
    (device,) = cuda_devices(FakeDriver())
    assert device.fingerprint["kernels"] == "triton 3.6.0, fla-core 0.6.0"
    there.clear()
    (bare,) = cuda_devices(FakeDriver())
    assert bare.fingerprint["kernels"] == "none"
    assert bare.id != device.id


@pytest.mark.parametrize(
    "change", [{"driver": "590.2"}, {"cuda": "12.8"}, {"power_limit_w": 350}, {"max_sm_mhz": 1755}]
)
def test_another_driver_limit_or_clock_is_another_device(change: dict[str, int | str]) -> None:
    one, other = cuda_devices(FakeDriver([H100, H100._replace(**change)]))
    assert one.id != other.id


def test_what_the_driver_does_not_tell_is_told_as_unknown() -> None:
    (device,) = cuda_devices(FakeDriver([H100._replace(max_sm_mhz=0, max_memory_mhz=0, power_limit_w=0)]))
    assert (device.fingerprint["max_clocks"], device.fingerprint["power_limit_w"]) == ("?/? MHz", "?")


def test_no_gpu_is_no_error() -> None:
    assert cuda_devices(FakeDriver([])) == []
    with pytest.raises(InputError, match=r"this machine has 'cpu'$"):
        resolve_device("h100", FakeDriver([]))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_the_real_driver_finds_none_on_a_machine_without() -> None:
    assert cuda_devices() == []
    assert [device.kind for device in list_devices()] == ["cpu"]


@pytest.mark.parametrize("error", [RuntimeError("No CUDA GPUs are available"), AssertionError("not compiled")])
def test_a_broken_driver_is_no_error(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def warned() -> bool:
        warnings.warn("CUDA initialization: the NVIDIA driver on your system is too old", stacklevel=1)
        return True

    def init() -> None:
        raise error

    monkeypatch.setattr("torch.cuda.is_available", warned)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.init", init)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cuda_devices() == []


def test_place_is_not_written_down() -> None:
    (device,) = cuda_devices(FakeDriver())
    assert Device.model_validate(device.model_dump(mode="json")).place is None
