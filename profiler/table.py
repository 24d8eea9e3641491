"""The latency table of a device: what every operator costs at every width, and what a network costs by it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ValidationError

from nas_search.errors import InputError
from nas_search.profiler.cells import Cell, PhaseSetting
from nas_search.profiler.check import TableCheck
from nas_search.profiler.column import Costs
from nas_search.profiler.compose import PhaseFigures, compose, settings_of
from nas_search.profiler.device import Device
from nas_search.profiler.grid import Grid
from nas_search.profiler.layers import NetworkSet
from nas_search.profiler.robust import Vector
from nas_search.profiler.statistics import ClockName
from nas_search.profiler.table_info import FORMAT, TableInfo
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture
from nas_search.space.operators.base import OperatorSpec


class LatencyTable:
    """Costs of operators on one device and one clock, calibrated for every phase that was recorded.

    Workloads are composed of phases, interpolated linearly over context and over batch, and refused outside of what
    was recorded. Only throughputs go on beyond the largest recorded batch, along the line through the last two.
    """

    def __init__(self, info: TableInfo, cells: Iterable[Cell]) -> None:
        self.info = info
        self.cells = tuple(sorted(cells))
        self._records = {record.setting: record for record in info.phases.values()}
        self._grid = Grid(self._records, captured=info.device.captures_steps)
        self._costs = Costs(self.cells)

    @classmethod
    def load(cls, path: Path) -> LatencyTable:
        """Read a file written by :meth:`save`. Raises InputError if it is missing, damaged or something else."""
        from nas_search.profiler.table_file import read_cells

        cells, metadata = read_cells(path)
        found = metadata.get("info", {}).get("format") if isinstance(metadata.get("info"), dict) else None
        if found != FORMAT:
            raise InputError(
                f"latency table {path}: format {found!r}; this version reads format {FORMAT}, record it again"
            )
        try:
            table = cls(TableInfo.model_validate(metadata["info"]), cells)
        except ValidationError as error:
            raise InputError(f"latency table {path}: its metadata is damaged: {error.errors()[0]['msg']}") from None
        if table.hash != metadata.get("hash"):
            raise InputError(f"latency table {path}: damaged, its content does not match its hash; record it again")
        return table

    @classmethod
    def merge(cls, first: LatencyTable, second: LatencyTable) -> LatencyTable:
        """The union of two tables; see :func:`merge_tables`."""
        from nas_search.profiler.merge import merge_tables

        return merge_tables(first, second)

    def save(self, path: Path) -> None:
        """Write one parquet file, whole or not at all."""
        from nas_search.profiler.table_file import write_cells

        write_cells(self.cells, {"hash": self.hash, "info": self.info.model_dump(mode="json")}, path)

    def with_roofline_mape(self, errors: dict[str, float]) -> LatencyTable:
        """The same with how far published rates alone are from it, by workload."""
        return LatencyTable(self.info.model_copy(update={"roofline_mape": errors}), self.cells)

    @property
    def clock(self) -> ClockName:
        """The clock of every figure of this table."""
        return self.info.clock

    @property
    def device(self) -> Device:
        """The device it is of."""
        return self.info.device

    @property
    def source(self) -> Literal["table", "estimate"]:
        """Whether it was recorded or estimated."""
        return self.info.source

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the content, in hexadecimal: equal tables are equal, however they are stored."""
        rows = [[*cell.key, *cell[1:]] for cell in self.cells]
        content = {"info": self.info.model_dump(mode="json"), "cells": rows}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def predict(self, architecture: Architecture, workload: Workload) -> float:
        """As :meth:`predict_many`, for one network."""
        return float(self.predict_many([architecture], workload)[0])

    def predict_many(self, architectures: Sequence[Architecture], workload: Workload) -> Vector:
        """The calibrated figure of each network, in the unit of ``workload``.

        A throughput is that of the largest batch that fits the device's memory, 0 where not even one sequence does;
        memory is computed. Raises InputError if the table lacks an operator, the width or the vocabulary of a network,
        or a phase of the workload.
        """
        return self._figures(architectures, workload, self._calibrated)

    def raw_many(self, architectures: Sequence[Architecture], workload: Workload) -> Vector:
        """The same by the terms alone, without calibration."""
        return self._figures(architectures, workload, self._costs.raw)

    def baseline_many(
        self, architectures: Sequence[Architecture], workload: Workload, by: Literal["depth", "parameters"]
    ) -> Vector:
        """The same by what was fitted on the number of operators, or of parameters, alone."""

        def figures(networks: NetworkSet, setting: PhaseSetting) -> Vector:
            record = self._records[setting]
            fit, counts = (
                (record.depth_only, networks.depths) if by == "depth" else (record.parameters_only, networks.parameters)
            )
            if fit is None:
                raise InputError(f"latency table: an estimate has no fit by {by}")
            return fit.apply(counts)

        return self._figures(architectures, workload, figures)

    def composed_of(self, architectures: Sequence[Architecture], workload: Workload, figures: PhaseFigures) -> Vector:
        """What other ``figures`` of phases, such as measured ones, make of ``workload``; not a number where one is."""
        return compose(architectures, workload, self._grid, self.info.memory_bytes, figures)

    def check(self, workload: Workload) -> TableCheck | None:
        """What was found on networks held out; None if nothing was, as for a workload that is only composed."""
        return self.info.workloads.get(str(workload))

    def require_device(self, device: Device) -> None:
        """Raise InputError, naming both, unless the table is of this device, or of one called so if it is not here."""
        same = device.name == self.device.name if device.place is None else device.id == self.device.id
        if not same:
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
        reasons: dict[str, None] = {}
        for width in widths:
            network = Architecture(
                width=width, operators=tuple(operators), vocabulary=vocabulary, meta_tokens=meta_tokens
            )
            try:
                self.predict(network, workload)
            except InputError as error:
                reasons[str(error).removeprefix("latency table: ")] = None
        return list(reasons)

    def _calibrated(self, networks: NetworkSet, setting: PhaseSetting) -> Vector:
        return self._records[setting].calibration.apply(self._costs.raw(networks, setting))

    def _figures(self, architectures: Sequence[Architecture], workload: Workload, figures: PhaseFigures) -> Vector:
        composed = self.composed_of(architectures, workload, figures)
        unknown = np.flatnonzero(np.isnan(composed))
        if len(unknown):
            network = architectures[unknown[0]]
            for setting in settings_of(workload, network.meta_tokens, self._grid):
                self._costs.require(network, setting)
        return composed
