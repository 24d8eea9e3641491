"""How time and energy are read on a CUDA device."""

from __future__ import annotations

from nas_search.errors import InputError
from nas_search.profiler.cuda.driver import CudaDriver
from nas_search.profiler.timing import Elapsed


class EventMeter:
    """Milliseconds by events around a sample: the device's own work.

    The device is kept waiting for a moment first, so that the host has queued the next runs when the first one begins:
    launching a short graph may take longer than running it. Caches are left as they are, for weights that fit them
    would be found there in real decoding too. ``wall`` is the longer of queueing and running, which is what a loop
    takes that waits at its end only. Work that is not captured, such as a prefill, and slower to launch than to run
    contains the device's waiting for the host, here as in use.
    """

    # Thousands of times the resolution of an event (half a microsecond), and short beside a change of clocks.
    sample_ms = 5.0

    def __init__(self, driver: CudaDriver, index: int) -> None:
        self._driver, self._index = driver, index
        self._before, self._after = driver.event(index), driver.event(index)
        self._queueing = 0.0

    def start(self) -> None:
        """Wait for the device, and queue the first event behind its head start."""
        self._driver.synchronize(self._index)
        self._driver.head_start(self._index)
        self._before.record()
        self._queueing = self._driver.seconds()

    def stop(self) -> Elapsed:
        """Queue the last event and wait for it."""
        self._after.record()
        queued_ms = 1e3 * (self._driver.seconds() - self._queueing)
        self._after.synchronize()
        device_ms = self._before.elapsed_time(self._after)
        return Elapsed(max(queued_ms, device_ms), device_ms)

    def seconds(self) -> float:
        """The host's clock once the device has done everything."""
        self._driver.synchronize(self._index)
        return self._driver.seconds()


class EnergyMeter:
    """Millijoules by the driver's counter, which is the whole device's. Raises InputError if it has none."""

    # The counter moves in steps of up to a tenth of a second.
    sample_ms = 1000.0

    def __init__(self, driver: CudaDriver, index: int) -> None:
        if driver.energy_mj(index) is None:
            raise InputError(
                f"energy: the driver has no energy counter for cuda:{index} ({driver.facts(index).name}); it needs the "
                "package nvidia-ml-py and a GPU of the Volta generation or later"
            )
        self._driver, self._index = driver, index
        self._before = 0.0

    def start(self) -> None:
        """Wait for the device, and read."""
        self._before = self._read()

    def stop(self) -> Elapsed:
        """Wait for the device, and read again."""
        spent = self._read() - self._before
        return Elapsed(spent, spent)

    def seconds(self) -> float:
        """The host's clock once the device has done everything."""
        self._driver.synchronize(self._index)
        return self._driver.seconds()

    def _read(self) -> float:
        self._driver.synchronize(self._index)
        counter = self._driver.energy_mj(self._index)
        if counter is None:
            raise InputError(f"energy: the driver's energy counter for cuda:{self._index} has gone")
        return counter
