"""Where the latencies of a search come from: a device of this machine, a recorded table, or published rates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from nas_search.errors import InputError
from nas_search.profiler.device import CUDA, Device, resolve_device
from nas_search.profiler.known_devices import KNOWN_DEVICES, KnownDevice, find_known, short_name
from nas_search.profiler.recorded import recorded_device, recorded_tables
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.workload import Workload
from nas_search.space.search_space import SearchSpace

Lacks = Callable[[LatencyTable], list[str]]
"""Why a table does not answer what the search asks; empty if it does."""


@dataclass(frozen=True)
class LatencySource:
    """The device whose latency counts, with the table to use or the published rates to estimate one by.

    With neither a table is recorded, which takes a device that is here.
    """

    device: Device
    table: Path | None = None
    known: KnownDevice | None = None

    @property
    def measures(self) -> bool:
        """Whether networks can be measured: the device is here."""
        return self.device.place is not None


def find_source(
    name: str,
    *,
    given: Path | None,
    frozen: Path | None,
    estimate: bool,
    lacks: Lacks,
    resolve: Callable[[str], Device] = resolve_device,
) -> LatencySource:
    """The source for the device called ``name``.

    The device itself if it is here, which ``resolve`` tells. Else a table of it: the one that the run has ``frozen``
    already, the one ``given``, or a recorded one that lacks nothing. Else, with ``estimate``, published rates. Raises
    InputError, saying what there is, if it is none of these, and for a table that is damaged or of another device.
    """
    try:
        return LatencySource(resolve(name), given)
    except InputError as error:
        unknown = str(error)
    wanted = short_name(name)
    for path in (frozen, given):
        if path is not None and (path is given or path.exists()):
            return LatencySource(_of_device(path, wanted), path)
    tables = recorded_tables(wanted)
    refusals = []
    for path in tables:
        try:
            table = LatencyTable.load(path)
            reasons = lacks(table)
        except InputError as error:
            reasons = [str(error)]
        if not reasons:
            return LatencySource(table.device, path)
        refusals.append(f"{path.name}: {reasons[0]}")
    known = find_known(name)
    if known is not None and estimate:
        return LatencySource(elsewhere(known), known=known)
    if known is None and not tables:
        raise InputError(f"{unknown}; {_elsewhere()}")
    raise InputError(_no_table(wanted, refusals, known))


def elsewhere(known: KnownDevice) -> Device:
    """A device of which only what is published is known."""
    return Device(name=known.name, fingerprint={"kind": CUDA, "gpu": known.title}, place=None)


def uncovered(table: LatencyTable, space: SearchSpace, workloads: Iterable[Workload]) -> list[str]:
    """What a table lacks of a space and of the workloads; empty if it has everything."""
    return [
        reason
        for workload in workloads
        for reason in table.covers(
            space.operator_specs(), space.widths, workload, vocabulary=space.tokens, meta_tokens=space.meta_tokens
        )
    ]


def _of_device(path: Path, wanted: str) -> Device:
    device = LatencyTable.load(path).device
    if device.name != wanted:
        raise InputError(f"latency table {path}: of {device.description}; the device that was asked for is '{wanted}'")
    return device


def _elsewhere() -> str:
    """What there is besides the devices of this machine."""
    recorded = sorted({recorded_device(path) for path in recorded_tables()})
    tables = f"recorded tables are of {', '.join(recorded)}" if recorded else "there are no recorded tables"
    return f"{tables}; published rates, for --estimate, are known of {', '.join(one.name for one in KNOWN_DEVICES)}"


def _no_table(wanted: str, refusals: list[str], known: KnownDevice | None) -> str:
    found = f"no recorded table of it does ({refusals[0]})" if refusals else "there is no recorded table of it"
    rates = ", or --estimate for published rates" if known is not None else ""
    return f"device '{wanted}' is not on this machine, and {found}; give --table FILE{rates}"
