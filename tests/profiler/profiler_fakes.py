"""Tables by formula."""

from collections.abc import Callable, Iterable

from nas_search.profiler.calibrate import AffineFit, PhaseRecord
from nas_search.profiler.cells import OVERHEAD, TRAFFIC, Cell, CellKey, PhaseSetting
from nas_search.profiler.device import Device
from nas_search.profiler.phases import Phase, PhaseKind, weighted_phases
from nas_search.profiler.precision import Precision
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.table_info import TableInfo
from nas_search.profiler.workload import Workload
from nas_search.space.notation import parse_operators

DEVICE = Device(name="cpu", fingerprint={"cpu": "Imaginary 1", "torch": "2.0", "threads": "1"})
FLOAT32 = Precision.of("float32")
SLOPE_TWO = AffineFit(offset=1.0, slope=2.0, n=8)
IDENTITY = AffineFit(offset=0.0, slope=1.0, n=8)
MEMORY_BYTES = 64 * 2**20


def exact_cell(key: CellKey, value: float) -> Cell:
    return Cell(key, value, value, value, value, value, 9)


def setting_at(kind: PhaseKind, context: int, batch: int = 1, precision: Precision = FLOAT32) -> PhaseSetting:
    return PhaseSetting(Phase(kind, context), batch, precision)


def make_info(settings: Iterable[PhaseSetting], *workloads: str, fit: AffineFit = IDENTITY) -> TableInfo:
    """All three fits of every setting are ``fit``."""
    return TableInfo(
        space="test",
        device=DEVICE,
        clock="device",
        busy=False,
        seed=0,
        kernels=("test",),
        seconds=1.0,
        memory_bytes=MEMORY_BYTES,
        phases={
            str(setting): PhaseRecord(
                kind=setting.phase.kind, context=setting.phase.context, batch=setting.batch,
                precision=setting.precision, calibration=fit, depth_only=fit, parameters_only=fit,
            )
            for setting in settings
        },
        workloads=dict.fromkeys(workloads),
    )  # fmt: skip


def make_table(text: str = "decode:256", **corrections: float) -> LatencyTable:
    """Widths 64, 128; operators a (1 ms), m2 (2 ms), f (3 ms); an overhead of 0.5 ms; calibrated to 1 ms + 2 x.

    ``change=0.1`` or ``beyond_2=1.0`` is a term.
    """
    workload = Workload.parse(text)
    settings = [PhaseSetting(phase, workload.batch, workload.precision) for phase, _ in weighted_phases(workload)]
    cells = []
    for setting in settings:
        for width in (64, 128):
            for ms, operator in enumerate(parse_operators("a m2 f"), start=1):
                cells.append(exact_cell(setting.key(operator.notation, width), float(ms)))
            cells.append(exact_cell(setting.key(OVERHEAD, width, 256), 0.5))
            cells.append(exact_cell(setting.key(TRAFFIC, width), corrections.get(TRAFFIC, 0.0)))
        cells += [
            exact_cell(setting.key(name.replace("_", " ")), ms) for name, ms in corrections.items() if name != TRAFFIC
        ]
    return LatencyTable(make_info(settings, str(workload), fit=SLOPE_TWO), cells)


def make_grid(settings: Iterable[PhaseSetting], cost: Callable[[PhaseSetting], float]) -> LatencyTable:
    """A table in which ``w64 a`` costs what ``cost`` says, all of it overhead."""
    settings = list(settings)
    cells = [exact_cell(setting.key("a", 64), 0.0) for setting in settings]
    cells += [exact_cell(setting.key(OVERHEAD, 64, 256), cost(setting)) for setting in settings]
    return LatencyTable(make_info(settings), cells)
