"""The rates that networks of a device are held against: published ones, or else what it does here."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from nas_search.profiler.device import Device
from nas_search.profiler.isolated import JsonObject, Runner, run_isolated
from nas_search.profiler.known_devices import find_known
from nas_search.profiler.precision import DType
from nas_search.profiler.roofline import Rates
from nas_search.profiler.timing import Progress, StopRule
from nas_search.profiler.turns import At

# A copy and a product are steady: their medians are known within a few per cent soon.
RATES_STOP = StopRule(interval=0.02, min_rounds=9, max_rounds=60, max_seconds=15.0)


class DeviceRates(BaseModel):
    """Bytes moved and FLOPs in a second, in ``dtype``; ``source`` names the publication, or the clock and n."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    origin: Literal["measured", "published"]
    source: str
    dtype: DType
    bandwidth_bytes_per_s: float
    flops_per_s: float
    launch_ms: float

    @property
    def rates(self) -> Rates:
        """For bounds."""
        return Rates(self.bandwidth_bytes_per_s, self.flops_per_s, self.launch_ms)


def device_rates(
    device: Device, dtype: DType, *, seed: int, progress: Progress | None = None, run: Runner = run_isolated
) -> DeviceRates:
    """Those of a device: what its vendor publishes, or else measured now, in a process of its own.

    Raises InputError if it is not here and nothing is published.
    """
    known = find_known(device.name)
    if known is not None and dtype in known.flops_per_s:
        return DeviceRates(origin="published", source=known.source, dtype=dtype, **known.rates(dtype)._asdict())
    request = {"device": {**device.model_dump(mode="json"), "place": device.place}, "dtype": dtype, "seed": seed}
    return DeviceRates.model_validate(run(f"{__name__}:answer", request, progress))


def answer(arguments: JsonObject, at: At, progress: Progress) -> JsonObject:
    """What :func:`device_rates` asks of its process."""
    from nas_search.profiler.backend import backend_of
    from nas_search.profiler.rates import measure_rates

    backend = backend_of(Device.model_validate(arguments["device"]))
    found = measure_rates(backend, arguments["dtype"], seed=arguments["seed"], stop=RATES_STOP, progress=progress)
    source = f"median of {found.n}, {found.clock} clock"
    rates = DeviceRates(origin="measured", source=source, dtype=found.dtype, **found.rates._asdict())
    return rates.model_dump(mode="json")
