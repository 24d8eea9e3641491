"""How measured figures are printed."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas_search.profiler.conditions import Conditions
    from nas_search.profiler.device import Device
    from nas_search.profiler.measurement import Measurement
    from nas_search.profiler.statistics import ClockName

_DEVICE_CLOCKS = {"cpu": "CPU time", "cuda": "GPU time"}
_BUSY = {
    "cpu": "the machine is busy: wall time is more than 1.2 times CPU time, which counts instead",
    "cuda": "other processes used the GPU meanwhile",
}


def number(value: float) -> str:
    """Four significant digits, whole from a thousand on."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def interval(low: float, high: float) -> str:
    """Both ends."""
    return number(low) if low == high else f"{number(low)} to {number(high)}"


def clock_name(clock: "ClockName", device: "Device") -> str:
    """A clock's name for people."""
    return "wall time" if clock == "wall" else _DEVICE_CLOCKS[device.kind]


def clock_title(measurement: "Measurement", device: "Device") -> str:
    """What was read: a clock, by its name for people, or a counter."""
    if measurement.workload.startswith("memory"):
        return "peak"
    if measurement.workload.startswith("energy"):
        return "energy counter"
    return clock_name(measurement.clock, device)


def busy_note(device: "Device") -> str:
    """What it means that a device was busy."""
    return _BUSY[device.kind]


def conditions_line(before: "Conditions", after: "Conditions") -> str:
    """Clocks, temperature and power, before and after; ``?`` for what the driver does not tell."""
    rows = (
        ("multiprocessors", before.sm_mhz, after.sm_mhz, "MHz"),
        ("memory", before.memory_mhz, after.memory_mhz, "MHz"),
        ("temperature", before.temperature_c, after.temperature_c, "°C"),
        ("power", before.power_w, after.power_w, "W"),
    )
    return ", ".join(f"{name} {_known(one)} to {_known(other)} {unit}" for name, one, other, unit in rows)


def _known(value: float | None) -> str:
    return "?" if value is None else f"{value:.0f}"
