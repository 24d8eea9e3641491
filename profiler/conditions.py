"""How a GPU was doing while something was measured."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Conditions(BaseModel):
    """What the driver says at one moment; None where it does not know.

    Clocks in MHz, temperature in degrees Celsius, power in watts. ``throttled`` names the reasons for which the driver
    holds clocks down, ``others`` counts the other processes that compute on the device.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sm_mhz: int | None = None
    memory_mhz: int | None = None
    temperature_c: int | None = None
    power_w: float | None = None
    throttled: tuple[str, ...] = ()
    others: int = 0
