"""Finished sittings on disk, so that a recording that was interrupted goes on where it was."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from nas_search.errors import InputError
from nas_search.files import write_text_atomic
from nas_search.profiler.backend import Verdict
from nas_search.profiler.parquet import read_rows, write_rows
from nas_search.profiler.sitting import SittingRequest, SittingResult
from nas_search.profiler.timing import Samples

METADATA_KEY = b"nas_search.table_part"
# A row is a sample, in the order in which they were taken; ``task`` is an index into those that ran.
SCHEMA = pa.schema([("task", pa.int64()), ("wall", pa.float64()), ("device", pa.float64())])
START = "start.json"
Note = Callable[[str], None]


class Start(BaseModel):
    """What a recording was begun with: the hash of its plan and device, and the memory that was free."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: str
    memory_bytes: int


class Parts:
    """The folder of one recording. ``note`` is told what is not used of what is there."""

    def __init__(self, folder: Path, note: Note) -> None:
        self._folder, self._note = folder, note

    def begin(self, plan: str, memory_bytes: int) -> int:
        """The memory with which this plan was begun: ``memory_bytes``, unless an earlier beginning is here.

        Sittings are cut by it, so it must not change half-way.
        """
        path = self._folder / START
        try:
            start = Start.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            start = None
        if start is not None and start.plan == plan:
            return start.memory_bytes
        if start is not None:
            self._note(f"{self._folder}: begun for another table or on another device; recording from the start")
        self._folder.mkdir(parents=True, exist_ok=True)
        write_text_atomic(path, Start(plan=plan, memory_bytes=memory_bytes).model_dump_json())
        return memory_bytes

    def read(self, index: int, request: SittingRequest) -> SittingResult | None:
        """What was measured for sitting ``index``; None if it is not there, damaged, or of another request."""
        path = self._path(index)
        if not path.exists():
            return None
        try:
            arrow, metadata = read_rows(path, SCHEMA, METADATA_KEY, "table part")
            if metadata.get("key") != request.key:
                self._note(f"{path}: of another table or device, not used")
                return None
            result = _result(arrow, metadata)
        except (InputError, KeyError, TypeError, ValueError):
            result = None
        if result is None or _digest(result) != metadata.get("digest"):
            self._note(f"{path}: damaged, measured again")
            return None
        return result

    def write(self, index: int, request: SittingRequest, result: SittingResult) -> None:
        """Keep what was measured for sitting ``index``."""
        order = result.samples.order.ravel()
        taken = (order, np.repeat(np.arange(result.samples.rounds), len(result.ran)))
        columns = [order, result.samples.wall[taken], result.samples.device[taken]]
        metadata = {"key": request.key, "digest": _digest(result), **_facts(result)}
        write_rows(columns, SCHEMA, {METADATA_KEY: metadata}, self._path(index))

    def remove(self) -> None:
        """Remove the folder: the table is made."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, index: int) -> Path:
        return self._folder / f"{index:03d}.parquet"


def _facts(result: SittingResult) -> dict[str, Any]:
    """Everything but the samples, as JSON."""
    return {
        "ran": list(result.ran),
        "failures": {str(index): reason for index, reason in result.failures.items()},
        "clock": result.verdict.clock,
        "busy": result.verdict.busy,
        "kernels": list(result.kernels),
        "seconds": result.seconds,
    }


def _result(arrow: pa.Table, facts: dict[str, Any]) -> SittingResult:
    """The inverse of writing. Raises KeyError, TypeError or ValueError for what was not written so."""
    ran = tuple(int(index) for index in facts["ran"])
    order, wall, device = (arrow.column(name).to_numpy() for name in SCHEMA.names)
    shape = (-1, max(1, len(ran)))
    order = order.reshape(shape)
    back = np.argsort(order, axis=1)
    wall, device = (np.take_along_axis(column.reshape(shape), back, 1).T[: len(ran)] for column in (wall, device))
    return SittingResult(
        samples=Samples(wall, device, order),
        ran=ran,
        failures={int(index): str(reason) for index, reason in facts["failures"].items()},
        verdict=Verdict(facts["clock"], bool(facts["busy"])),
        kernels=tuple(map(str, facts["kernels"])),
        seconds=float(facts["seconds"]),
    )


def _digest(result: SittingResult) -> str:
    """SHA-256 of the content."""
    content = hashlib.sha256(json.dumps(_facts(result), sort_keys=True).encode())
    for array in (result.samples.wall, result.samples.device, result.samples.order):
        content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest()
