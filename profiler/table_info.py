"""Everything about a latency table but its rows."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from nas_search.profiler.calibrate import PhaseRecord
from nas_search.profiler.check import TableCheck
from nas_search.profiler.device import Device
from nas_search.profiler.statistics import ClockName

FORMAT = 2


class TableInfo(BaseModel):
    """Where a table is from and what was found about it.

    ``source`` says whether it was recorded or follows from published rates. ``memory_bytes`` is what networks could
    take on the device. ``phases`` has what was fitted for each setting, ``workloads`` the check of each workload that
    it was recorded for, None without networks held out. ``failures`` says of networks, by their notation, why they
    could not be measured. ``roofline_mape`` is how far published rates alone are from the table, by workload.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    source: Literal["table", "estimate"] = "table"
    space: str
    device: Device
    clock: ClockName
    busy: bool
    seed: int
    kernels: tuple[str, ...]
    seconds: float
    memory_bytes: int
    phases: dict[str, PhaseRecord]
    workloads: dict[str, TableCheck | None]
    failures: dict[str, str] = {}
    roofline_mape: dict[str, float] = {}
    versions: dict[str, str] = {}
    recorded_at: str = ""
