"""A latency table of a device that nothing was measured on, from its published rates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

from nas_search.errors import InputError
from nas_search.profiler.calibrate import AffineFit, PhaseRecord
from nas_search.profiler.cells import Cell, PhaseSetting
from nas_search.profiler.device import Device
from nas_search.profiler.estimate import estimate_cells
from nas_search.profiler.known_devices import KnownDevice
from nas_search.profiler.phases import weighted_phases
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.table_info import TableInfo
from nas_search.profiler.workload import MAX_BATCH, Workload
from nas_search.space.search_space import SearchSpace

# Terms are the estimate: nothing was measured that they could be put right by.
IDENTITY = AffineFit(offset=0.0, slope=1.0, n=0)
KERNELS = ("roofline of published rates",)


def estimate_table(
    space: SearchSpace, workloads: Sequence[Workload], device: Device, known: KnownDevice
) -> LatencyTable:
    """Every operator of ``space`` at every width by the roofline of ``known``, which ``device`` is one of.

    Raises InputError for energy, which does not follow from rates, and for a number format without a published rate.
    """
    settings = dict.fromkeys(
        setting for workload in workloads for setting in _settings(workload, space.meta_tokens, device.captures_steps)
    )
    cells: list[Cell] = []
    for setting in settings:
        rates = known.rates(setting.precision.parameters)
        cells += estimate_cells(space.operator_specs(), space.widths, space.tokens, [setting], rates)
    info = TableInfo(
        source="estimate",
        space=space.name,
        device=device,
        clock="device",
        busy=False,
        seed=0,
        kernels=KERNELS,
        seconds=0.0,
        memory_bytes=known.memory_bytes,
        phases={str(setting): _record(setting) for setting in settings},
        workloads={str(workload): None for workload in workloads},
    )
    return LatencyTable(info, cells)


def _settings(workload: Workload, meta_tokens: int, captured: bool) -> Iterator[PhaseSetting]:
    """What the workload's figure is made of; a throughput at every power of two up to its greatest batch."""
    if workload.kind == "memory":
        return  # computed, without any term
    if workload.kind == "energy":
        raise InputError(f"workload '{workload}': energy does not follow from rates; it takes a recorded table")
    powers = (1 << doublings for doublings in range(MAX_BATCH.bit_length()))
    batches = takewhile(lambda batch: batch < 2 * workload.batch, powers)
    for batch in batches if workload.kind == "throughput" else [workload.batch]:
        for phase, _ in weighted_phases(workload, meta_tokens, captured=captured):
            yield PhaseSetting(phase, batch, workload.precision)


def _record(setting: PhaseSetting) -> PhaseRecord:
    kind, context = setting.phase
    return PhaseRecord(
        kind=kind, context=context, batch=setting.batch, precision=setting.precision, calibration=IDENTITY
    )
