"""Energy of a processor by its own counters: RAPL, as Linux shows it under ``/sys/class/powercap``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from nas_search.errors import InputError, unreadable
from nas_search.profiler.timing import Elapsed

POWERCAP = Path("/sys/class/powercap")


class Counter(NamedTuple):
    """That of one processor package, in microjoules; it starts again at zero behind ``range_uj``."""

    path: Path
    range_uj: int

    def read(self) -> int:
        """Microjoules now."""
        return int(self.path.read_text())

    def spent(self, before: int, now: int) -> int:
        """Microjoules between two readings, at most one round apart."""
        return now - before if now >= before else now + self.range_uj - before


class RaplMeter:
    """Millijoules of all processor packages, whoever used them. Raises InputError where there are no such counters."""

    # The counters move every millisecond.
    sample_ms = 100.0

    def __init__(self, powercap: Path = POWERCAP) -> None:
        self._counters = _package_counters(powercap)
        self._before: list[int] = []

    def start(self) -> None:
        """Read the counters."""
        self._before = [counter.read() for counter in self._counters]

    def stop(self) -> Elapsed:
        """Read them again."""
        readings = zip(self._counters, self._before, strict=True)
        spent = sum(counter.spent(before, counter.read()) for counter, before in readings) / 1e3
        return Elapsed(spent, spent)

    def seconds(self) -> float:
        """CPU time, as other figures of a processor."""
        return time.thread_time()


def _package_counters(powercap: Path) -> list[Counter]:
    """Those of whole packages: cores and memory controllers are parts of them, and a platform contains them."""
    try:
        zones = sorted(powercap.glob("intel-rapl:*"))
        packages = [zone for zone in zones if (zone / "name").read_text().startswith("package")]
        counters = [Counter(zone / "energy_uj", int((zone / "max_energy_range_uj").read_text())) for zone in packages]
        for counter in counters:
            counter.read()
    except (OSError, ValueError) as error:
        raise InputError(
            f"energy: the processor's counters cannot be read: {unreadable(error)}; root may read them"
        ) from None
    if not counters:
        raise InputError(f"energy: this processor has no energy counters ({powercap}/intel-rapl:*)")
    return counters
