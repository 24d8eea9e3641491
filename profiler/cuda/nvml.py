"""What NVIDIA's management library says of one GPU, asked through the package ``nvidia-ml-py``."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from nas_search.profiler.conditions import Conditions
from nas_search.profiler.cuda import throttling

# The library's bits (nvmlClocksEventReasons) for which it holds clocks down against the user's will.
REASONS = {
    0x04: throttling.POWER_CAP,
    0x08: throttling.SLOWDOWN,
    0x20: throttling.SOFTWARE_THERMAL,
    0x40: throttling.HARDWARE_THERMAL,
    0x80: throttling.POWER_BRAKE,
}


class Nvml:
    """One device, by the identifier that CUDA has for it: the library also counts devices that CUDA may not see.

    Whatever cannot be told is None: the package or the driver's library may be missing, and devices differ in what
    they support. ``failure`` says in words why nothing at all can be told.
    """

    def __init__(self, uuid: str) -> None:
        self.failure: str | None = None
        try:
            self._library: Any = import_module("pynvml")
            self._library.nvmlInit()
            self._handle = self._library.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        except Exception as error:
            # No package, no library of the driver, no such device: nothing else depends on it.
            self._library, self._handle = None, None
            self.failure = f"{type(error).__name__}: {error}"

    def driver(self) -> str | None:
        """The driver's version."""
        return None if self._library is None else str(self._library.nvmlSystemGetDriverVersion())

    def mhz(self) -> tuple[int | None, int | None]:
        """The clocks of multiprocessors and memory now."""
        return self._sm_and_memory("nvmlDeviceGetClockInfo")

    def max_mhz(self) -> tuple[int | None, int | None]:
        """The highest clocks of both."""
        return self._sm_and_memory("nvmlDeviceGetMaxClockInfo")

    def power_limit_w(self) -> int | None:
        """The limit that is set."""
        limit_mw = self._ask("nvmlDeviceGetPowerManagementLimit")
        return None if limit_mw is None else round(limit_mw / 1e3)

    def free_bytes(self) -> int | None:
        """Memory that no process uses."""
        memory = self._ask("nvmlDeviceGetMemoryInfo")
        return None if memory is None else int(memory.free)

    def energy_mj(self) -> float | None:
        """Millijoules since the driver was loaded."""
        counter: int | None = self._ask("nvmlDeviceGetTotalEnergyConsumption")
        return counter

    def conditions(self) -> Conditions:
        """Clocks, temperature, power, reasons and processes now."""
        sm_mhz, memory_mhz = self.mhz()
        power_mw = self._ask("nvmlDeviceGetPowerUsage")
        return Conditions(
            sm_mhz=sm_mhz,
            memory_mhz=memory_mhz,
            temperature_c=self._ask("nvmlDeviceGetTemperature", "NVML_TEMPERATURE_GPU"),
            power_w=None if power_mw is None else power_mw / 1e3,
            throttled=self._reasons(),
            others=self._others(),
        )

    def _reasons(self) -> tuple[str, ...]:
        bits = self._ask("nvmlDeviceGetCurrentClocksEventReasons")
        if bits is None:
            # The name of older packages and drivers.
            bits = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons")
        return tuple(name for bit, name in REASONS.items() if (bits or 0) & bit)

    def _others(self) -> int:
        """All processes on the device but this one, which is there too, whatever its number is outside a container."""
        return max(0, len(self._ask("nvmlDeviceGetComputeRunningProcesses") or ()) - 1)

    def _sm_and_memory(self, function: str) -> tuple[int | None, int | None]:
        return self._ask(function, "NVML_CLOCK_SM"), self._ask(function, "NVML_CLOCK_MEM")

    def _ask(self, function: str, *constants: str) -> Any:
        """The answer of one of the library's functions, its arguments named by the library's constants."""
        if self._library is None:
            return None
        try:
            arguments = (getattr(self._library, name) for name in constants)
            return getattr(self._library, function)(self._handle, *arguments)
        except Exception:
            # A function that package, driver or device do not have: each says so in a class of its own.
            return None
