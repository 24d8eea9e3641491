"""A clock that only tasks move, and a table by formula."""

from collections.abc import Callable

from nas_search.profiler.calibrate import AffineFit
from nas_search.profiler.cells import OVERHEAD, TRAFFIC, Cell, CellKey, PhaseSetting
from nas_search.profiler.device import Device
from nas_search.profiler.phases import weighted_phases
from nas_search.profiler.table import LatencyTable, TableInfo, WorkloadRecord
from nas_search.profiler.timing import Reading, Task
from nas_search.profiler.workload import Workload
from nas_search.space.notation import parse_operators

DEVICE = Device(name="cpu", fingerprint={"cpu": "Imaginary 1", "torch": "2.0", "threads": "1"})


class FakeClock:
    """Time passes when a task says so."""

    def __init__(self) -> None:
        self.wall_ns = 0
        self.cpu_ns = 0

    def read(self) -> Reading:
        return Reading(self.wall_ns, self.cpu_ns)

    def pass_ms(self, cpu_ms: float, wall_ms: float | None = None) -> None:
        self.cpu_ns += round(cpu_ms * 1e6)
        self.wall_ns += round((cpu_ms if wall_ms is None else wall_ms) * 1e6)

    def task(self, cpu_ms: Callable[[], float], busy: float = 1.0) -> Task:
        """A task of so many milliseconds; wall time is ``busy`` times as much."""

        def run() -> None:
            spent = cpu_ms()
            self.pass_ms(spent, busy * spent)

        return Task(run)


def exact_cell(key: CellKey, ms: float) -> Cell:
    return Cell(key, ms, ms, ms, ms, ms, 9)


def make_info(*workloads: str) -> TableInfo:
    fit = AffineFit(offset_ms=1.0, slope=2.0, n=8)
    return TableInfo(
        device=DEVICE,
        clock="cpu",
        busy=False,
        seed=0,
        kernels=("test",),
        seconds=1.0,
        workloads={workload: WorkloadRecord(calibration=fit, depth_only=fit) for workload in workloads},
    )


def make_table(text: str = "decode:256", **corrections: float) -> LatencyTable:
    """Widths 64, 128; operators a (1 ms), m2 (2 ms), f (3 ms); an overhead of 0.5 ms; ``beyond_2=1.0`` is a term."""
    workload = Workload.parse(text)
    cells = []
    for phase, _ in weighted_phases(workload):
        setting = PhaseSetting(phase, workload.batch, workload.dtype)
        for width in (64, 128):
            for ms, operator in enumerate(parse_operators("a m2 f"), start=1):
                cells.append(exact_cell(setting.key(operator.notation, width), float(ms)))
            cells.append(exact_cell(setting.key(OVERHEAD, width, 256), 0.5))
            cells.append(exact_cell(setting.key(TRAFFIC, width), corrections.get(TRAFFIC, 0.0)))
        cells += [
            exact_cell(setting.key(name.replace("_", " ")), ms) for name, ms in corrections.items() if name != TRAFFIC
        ]
    return LatencyTable(make_info(str(workload)), cells)
