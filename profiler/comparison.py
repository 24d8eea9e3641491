"""What a comparison of architectures has found."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from nas_search.profiler.device import Device
from nas_search.profiler.device_rates import DeviceRates
from nas_search.profiler.measurement import Failure, Outcome, Source


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Ratio(_Frozen):
    """How many times better than the first, with its 95 % interval: more tokens, or less time, memory, energy."""

    value: float
    low: float
    high: float


class ComparedFigure(_Frozen):
    """One architecture under one workload.

    ``ceiling`` is what the device's rates allow at best, in the workload's unit, and ``reached`` the share of it; a
    network that fits into a cache may reach more than all. Both are None where rates say nothing, the ratio where the
    first has no figure, and all three are None of what failed.
    """

    outcome: Outcome
    ratio: Ratio | None = None
    ceiling: float | None = None
    reached: float | None = None


class ComparedWorkload(_Frozen):
    """A figure for each architecture, in order; ``rates`` are those of the ceilings."""

    workload: str
    unit: str
    higher_is_better: bool
    rates: DeviceRates | None
    figures: tuple[ComparedFigure, ...]


class ComparedArchitecture(_Frozen):
    """What is compared, by its notation."""

    architecture: str
    fingerprint: str
    parameters: int


class Comparison(_Frozen):
    """Every architecture under every workload, on one device."""

    device: Device
    device_id: str
    source: Source
    architectures: tuple[ComparedArchitecture, ...]
    workloads: tuple[ComparedWorkload, ...]

    @property
    def failures(self) -> list[Failure]:
        """What could not be measured."""
        outcomes = (figure.outcome for compared in self.workloads for figure in compared.figures)
        return [outcome for outcome in outcomes if isinstance(outcome, Failure)]
