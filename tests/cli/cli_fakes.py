"""Latency tables that nobody recorded."""

from pathlib import Path

from nas_search.profiler.calibrate import AffineFit, PhaseRecord
from nas_search.profiler.cells import OVERHEAD, Cell, PhaseSetting
from nas_search.profiler.device import Device
from nas_search.profiler.phases import weighted_phases
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.table_info import TableInfo
from nas_search.profiler.workload import Workload
from nas_search.space.search_space import load_space


def table_for(device: Device, path: Path, workload: str = "decode:256") -> Path:
    """A table of the CPU space whose operators take 1 ms each, written to ``path``."""
    space, asked = load_space("cpu"), Workload.parse(workload)
    fit = AffineFit(offset=0.0, slope=1.0, n=8)
    names = [(spec.notation, 0) for spec in space.operator_specs()] + [(OVERHEAD, space.tokens)]
    cells, phases = [], {}
    for phase, _ in weighted_phases(asked):
        setting = PhaseSetting(phase, asked.batch, asked.precision)
        cells += [
            Cell(setting.key(name, width, words), 1.0, 1.0, 1.0, 1.0, 1.0, 9)
            for name, words in names
            for width in space.widths
        ]
        phases[str(setting)] = PhaseRecord(
            kind=phase.kind, context=phase.context, batch=asked.batch, precision=asked.precision,
            calibration=fit, depth_only=fit, parameters_only=fit,
        )  # fmt: skip
    info = TableInfo(
        space=space.name,
        device=device,
        clock="device",
        busy=False,
        seed=0,
        kernels=("test",),
        seconds=1.0,
        memory_bytes=2**30,
        phases=phases,
        workloads={workload: None},
    )
    LatencyTable(info, cells).save(path)
    return path
