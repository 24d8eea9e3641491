"""The latency table of a device: what every operator costs at every width, and what a network costs by it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from nas_search.errors import InputError
from nas_search.profiler.calibrate import AffineFit
from nas_search.profiler.cells import Cell, PhaseSetting
from nas_search.profiler.check import TableCheck
from nas_search.profiler.column import Column
from nas_search.profiler.device import Device
from nas_search.profiler.phases import weighted_phases
from nas_search.profiler.statistics import ClockName
from nas_search.profiler.workload import Workload

if TYPE_CHECKING:
    from nas_search.space.architecture import Architecture
    from nas_search.space.operators.base import OperatorSpec

FORMAT = 1


class WorkloadRecord(BaseModel):
    """What was fitted and found for one workload: on summed costs, on the number of operators, and the check."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    calibration: AffineFit
    depth_only: AffineFit
    check: TableCheck | None = None


class TableInfo(BaseModel):
    """Everything about a table but its rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    device: Device
    clock: ClockName
    busy: bool
    seed: int
    kernels: tuple[str, ...]
    seconds: float
    workloads: dict[str, WorkloadRecord]


class LatencyTable:
    """Costs of operators on one device and one clock, with the calibration for every workload it was made for."""

    def __init__(self, info: TableInfo, cells: Iterable[Cell]) -> None:
        self.info = info
        self.cells = tuple(sorted(cells))
        self._latency_ms = {cell.key: cell.latency_ms for cell in self.cells}
        self._columns: dict[tuple[int, int, int, Workload], list[tuple[float, Column]]] = {}

    @classmethod
    def load(cls, path: Path) -> LatencyTable:
        """Read a file written by :meth:`save`. Raises InputError if it is missing, damaged or something else."""
        from nas_search.profiler.table_file import read_cells

        cells, metadata = read_cells(path)
        found = metadata.get("info", {}).get("format") if isinstance(metadata.get("info"), dict) else None
        if found != FORMAT:
            raise InputError(f"latency table {path}: format {found!r}; this version reads format {FORMAT}")
        try:
            table = cls(TableInfo.model_validate(metadata["info"]), cells)
        except ValidationError as error:
            raise InputError(f"latency table {path}: its metadata is damaged: {error.errors()[0]['msg']}") from None
        if table.hash != metadata.get("hash"):
            raise InputError(f"latency table {path}: damaged, its content does not match its hash; record it again")
        return table

    def save(self, path: Path) -> None:
        """Write one parquet file, whole or not at all."""
        from nas_search.profiler.table_file import write_cells

        write_cells(self.cells, {"hash": self.hash, "info": self.info.model_dump(mode="json")}, path)

    @property
    def clock(self) -> ClockName:
        """The clock of every figure of this table."""
        return self.info.clock

    @property
    def device(self) -> Device:
        """The device it was recorded on."""
        return self.info.device

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the content, in hexadecimal: equal tables are equal, however they are stored."""
        rows = [[*cell.key, *cell[1:]] for cell in self.cells]
        content = {"info": self.info.model_dump(mode="json"), "cells": rows}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def raw_ms(self, architecture: Architecture, workload: Workload) -> float:
        """The latency by the terms alone. Raises InputError if one is missing."""
        key = (architecture.width, architecture.vocabulary, architecture.meta_tokens, workload)
        columns = self._columns.get(key) or self._phase_columns(*key)
        return sum(weight * column.network_ms(architecture.operators) for weight, column in columns)

    def predict_ms(self, architecture: Architecture, workload: Workload) -> float:
        """The calibrated latency. Raises InputError if the table lacks an operator, the width or the workload."""
        return self.record(workload).calibration.apply(self.raw_ms(architecture, workload))

    def record(self, workload: Workload) -> WorkloadRecord:
        """Calibration and check. Raises InputError if the table was made for other workloads only."""
        try:
            return self.info.workloads[str(workload)]
        except KeyError:
            raise InputError(f"latency table: {self._lacks_workload(workload)}") from None

    def require_device(self, device: Device) -> None:
        """Raise InputError, naming both, unless the table is of this device."""
        if device.id != self.device.id:
            raise InputError(
                f"latency table: recorded on {self.device.id}, {self.device.description}; "
                f"this is {device.id}, {device.description}"
            )

    def covers(
        self,
        operators: Sequence[OperatorSpec],
        widths: Sequence[int],
        workload: Workload,
        *,
        vocabulary: int,
        meta_tokens: int = 0,
    ) -> list[str]:
        """Why the table cannot predict every network of these; empty if it can."""
        if str(workload) not in self.info.workloads:
            return [self._lacks_workload(workload)]
        reasons = []
        for width in widths:
            try:
                for _, column in self._phase_columns(width, vocabulary, meta_tokens, workload):
                    column.network_ms(operators)
            except InputError as error:
                reasons.append(str(error).removeprefix("latency table: "))
        return reasons

    def _lacks_workload(self, workload: Workload) -> str:
        known = ", ".join(f"'{name}'" for name in self.info.workloads)
        return f"no workload '{workload}'; it was made for {known}"

    def _phase_columns(
        self, width: int, vocabulary: int, meta_tokens: int, workload: Workload
    ) -> list[tuple[float, Column]]:
        """The phases of ``workload``: how often each counts, and its terms."""
        columns = []
        for phase, weight in weighted_phases(workload, meta_tokens):
            setting = PhaseSetting(phase, workload.batch, workload.dtype)
            columns.append((weight, Column(self._latency_ms, setting, width, vocabulary)))
        self._columns[(width, vocabulary, meta_tokens, workload)] = columns
        return columns
