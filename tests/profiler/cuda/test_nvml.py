import sys
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest
import torch

from nas_search.profiler.conditions import Conditions
from nas_search.profiler.cuda import throttling
from nas_search.profiler.cuda.nvml import REASONS, Nvml
from nas_search.profiler.cuda.torch_driver import TorchDriver

SM, MEMORY = pynvml.NVML_CLOCK_SM, pynvml.NVML_CLOCK_MEM
PROPERTIES = SimpleNamespace(
    uuid="12-34", name="NVIDIA H100 80GB HBM3", total_memory=85_000_000_000, L2_cache_size=50 * 2**20, major=9, minor=0
)


class UnsupportedError(Exception):
    pass


def unsupported(*arguments: Any) -> Any:
    raise UnsupportedError("Not Supported")


def library(**changes: Any) -> SimpleNamespace:
    """What the package does for one device, by the names and constants of the real one."""
    functions: dict[str, Any] = {
        "nvmlInit": lambda: None,
        "nvmlDeviceGetHandleByUUID": lambda uuid: {"GPU-12-34": "handle"}[uuid],
        "nvmlSystemGetDriverVersion": lambda: "580.1",
        "nvmlDeviceGetClockInfo": lambda handle, kind: {SM: 1755, MEMORY: 2619}[kind],
        "nvmlDeviceGetMaxClockInfo": lambda handle, kind: {SM: 1980, MEMORY: 2619}[kind],
        "nvmlDeviceGetTemperature": lambda handle, sensor: {pynvml.NVML_TEMPERATURE_GPU: 61}[sensor],
        "nvmlDeviceGetPowerUsage": lambda handle: 412_300,
        "nvmlDeviceGetPowerManagementLimit": lambda handle: 700_000,
        "nvmlDeviceGetTotalEnergyConsumption": lambda handle: 5_000_000,
        "nvmlDeviceGetCurrentClocksEventReasons": lambda handle: pynvml.nvmlClocksEventReasonSwPowerCap,
        "nvmlDeviceGetComputeRunningProcesses": lambda handle: ["this one", "another", "a third"],
    }
    constants = {name: getattr(pynvml, name) for name in ("NVML_CLOCK_SM", "NVML_CLOCK_MEM", "NVML_TEMPERATURE_GPU")}
    assert all(hasattr(pynvml, name) for name in functions | changes)
    return SimpleNamespace(**(functions | constants | changes))


def device(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Nvml:
    monkeypatch.setitem(sys.modules, "pynvml", library(**changes))  # type: ignore[arg-type]
    return Nvml("12-34")


def test_everything_is_told_in_its_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    found = device(monkeypatch)
    assert found.failure is None
    assert found.driver() == "580.1"
    assert found.max_mhz() == (1980, 2619)
    assert found.power_limit_w() == 700
    assert found.energy_mj() == 5_000_000
    assert found.conditions() == Conditions(
        sm_mhz=1755, memory_mhz=2619, temperature_c=61, power_w=412.3, throttled=("power cap",), others=2
    )


@pytest.mark.parametrize(
    ("constant", "names"),
    [
        ("SwPowerCap", (throttling.POWER_CAP,)),
        ("HwSlowdown", (throttling.SLOWDOWN,)),
        ("SwThermalSlowdown", (throttling.SOFTWARE_THERMAL,)),
        ("HwThermalSlowdown", (throttling.HARDWARE_THERMAL,)),
        ("HwPowerBrakeSlowdown", (throttling.POWER_BRAKE,)),
        ("GpuIdle", ()),
        ("ApplicationsClocksSetting", ()),
        ("SyncBoost", ()),
        ("DisplayClockSetting", ()),
        ("None", ()),
    ],
)
def test_reasons_by_the_constants_of_the_library(
    monkeypatch: pytest.MonkeyPatch, constant: str, names: tuple[str, ...]
) -> None:
    bits = getattr(pynvml, f"nvmlClocksEventReason{constant}")
    found = device(monkeypatch, nvmlDeviceGetCurrentClocksEventReasons=lambda handle: bits)
    assert found.conditions().throttled == names
    old = device(
        monkeypatch,
        nvmlDeviceGetCurrentClocksEventReasons=unsupported,
        nvmlDeviceGetCurrentClocksThrottleReasons=lambda handle: bits,
    )
    assert old.conditions().throttled == names


def test_there_is_advice_for_every_reason() -> None:
    assert set(REASONS.values()) == throttling.ADVICE.keys()


@pytest.mark.parametrize("count", [0, 1])
def test_this_process_is_no_other(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """It may not be seen at all, or under another number, as in a container."""
    found = device(monkeypatch, nvmlDeviceGetComputeRunningProcesses=lambda handle: ["this one"] * count)
    assert found.conditions().others == 0


def test_what_a_device_does_not_support_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [name for name in vars(library()) if name.startswith("nvmlDeviceGet") and "UUID" not in name]
    found = device(monkeypatch, **dict.fromkeys(names, unsupported))
    assert found.driver() == "580.1"
    assert (found.max_mhz(), found.power_limit_w(), found.energy_mj()) == ((None, None), None, None)
    assert found.conditions() == Conditions()


@pytest.mark.parametrize(
    "broken", [None, library(nvmlInit=unsupported), library(nvmlDeviceGetHandleByUUID=unsupported), SimpleNamespace()]
)
def test_without_package_driver_or_device_nothing_is_told(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", broken)
    found = Nvml("12-34")
    assert found.failure
    assert "\n" not in found.failure
    assert (found.driver(), found.max_mhz(), found.energy_mj()) == (None, (None, None), None)
    assert found.conditions() == Conditions()


def test_facts_are_those_of_both_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda place: PROPERTIES)
    monkeypatch.setattr("torch.version.cuda", "13.0")
    monkeypatch.setitem(sys.modules, "pynvml", library())  # type: ignore[arg-type]
    facts = TorchDriver().facts(0)
    assert (facts.name, facts.memory_bytes, facts.cache_bytes) == (PROPERTIES.name, 85_000_000_000, 50 * 2**20)
    assert (facts.capability, facts.driver, facts.cuda) == ("9.0", "580.1", "13.0")
    assert (facts.max_sm_mhz, facts.max_memory_mhz, facts.power_limit_w) == (1980, 2619, 700)
    monkeypatch.setitem(sys.modules, "pynvml", None)  # type: ignore[arg-type]
    unknown = TorchDriver()
    assert unknown.facts(0) == facts._replace(driver="unknown", max_sm_mhz=0, max_memory_mhz=0, power_limit_w=0)
    assert unknown.energy_mj(0) is None


def test_a_gpu_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.device] = []
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda place: asked.append(place) or PROPERTIES)
    monkeypatch.setitem(sys.modules, "pynvml", library())  # type: ignore[arg-type]
    driver = TorchDriver()
    for _ in range(3):
        driver.facts(1)
        driver.energy_mj(1)
    assert set(asked) == {torch.device("cuda", 1)}
    assert len(asked) == 2
