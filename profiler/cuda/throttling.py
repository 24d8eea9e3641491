"""Whether a GPU keeps its clocks while it is measured.

Clocks that are held down for heat or power make figures of the cooling, not of the network, and they change from one
round to the next. That a device is idle, or that somebody has set its clocks, is no throttling.
"""

from __future__ import annotations

from collections.abc import Callable

from nas_search.errors import RunError
from nas_search.profiler.conditions import Conditions

# Reasons for which a driver holds clocks down.
SLOWDOWN = "hardware slowdown"
HARDWARE_THERMAL = "hardware thermal slowdown"
SOFTWARE_THERMAL = "software thermal slowdown"
POWER_BRAKE = "power brake"
POWER_CAP = "power cap"
ADVICE = {
    SLOWDOWN: "see to its cooling and its power supply",
    HARDWARE_THERMAL: "let it cool down",
    SOFTWARE_THERMAL: "let it cool down",
    POWER_BRAKE: "see to its power supply",
    POWER_CAP: "raise its power limit or lock its clocks lower",
}
# A load near the power limit makes clocks move all the time: only a fall beyond this share is refused.
POWER_CAP_FALL = 0.05
# Without a reason clocks move by a few steps of 15 MHz with the temperature.
UNEXPLAINED_CHANGE = 0.03
# A device that was idle reaches its clocks within a few readings.
SETTLE_READINGS = 20


class ClockWatch:
    """The clocks of one session; ``read`` asks the driver, ``name`` is the device's in messages.

    ``others_seen`` says whether other processes were on the device at any reading.
    """

    def __init__(self, name: str, read: Callable[[], Conditions]) -> None:
        self._name, self._read = name, read
        self._start: Conditions | None = None
        self.others_seen = False

    def check(self) -> None:
        """Read once more. Raises RunError, in one line, if clocks are held down or not what they were at the start.

        Any reported slowdown counts, the power cap only if the multiprocessors' clock fell by more than
        POWER_CAP_FALL; without a reason either clock may change by UNEXPLAINED_CHANGE.
        """
        start = self._start = self._start or self._settled()
        now = self._read()
        self.others_seen |= now.others > 0
        reasons = tuple(reason for reason in now.throttled if reason != POWER_CAP)
        if reasons:
            raise self._refusal(now, f"are held down ({', '.join(reasons)})", ADVICE[reasons[-1]])
        fall = -_change(start.sm_mhz, now.sm_mhz)
        if POWER_CAP in now.throttled:
            if fall > POWER_CAP_FALL:
                raise self._refusal(now, f"are held down ({POWER_CAP})", ADVICE[POWER_CAP])
        elif max(abs(fall), abs(_change(start.memory_mhz, now.memory_mhz))) > UNEXPLAINED_CHANGE:
            raise self._refusal(now, "changed", "let nobody else use it or set its clocks")

    def _settled(self) -> Conditions:
        """The reading with the highest clocks of some: what the driver says lags behind an idle device's rise."""
        readings = [self._read() for _ in range(SETTLE_READINGS)]
        return max(readings, key=lambda reading: (reading.sm_mhz or 0, reading.memory_mhz or 0))

    def _refusal(self, now: Conditions, what: str, advice: str) -> RunError:
        start = self._start or now
        return RunError(
            f"{self._name}: clocks {what} while it was measured: multiprocessors {start.sm_mhz} to {now.sm_mhz} MHz, "
            f"memory {start.memory_mhz} to {now.memory_mhz} MHz, {now.temperature_c} °C; {advice}, then measure again"
        )


def _change(before: int | None, now: int | None) -> float:
    """As a share of what it was; 0 where it is unknown."""
    return now / before - 1 if before and now else 0.0
