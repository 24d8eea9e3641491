from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from nas_search.errors import InputError
from nas_search.profiler import sessions
from nas_search.profiler.device import resolve_device
from nas_search.profiler.record import check_table, record_table
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.timing import Progress, StopRule
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture
from nas_search.space.notation import parse_operators

OPERATORS = parse_operators("a m2 f")
QUICK = StopRule(interval=0.5, min_rounds=4, max_rounds=4, max_seconds=20)
SAMPLE = [
    Architecture(width=width, operators=operators, meta_tokens=3)
    for width in (32, 64)
    for operators in (OPERATORS, OPERATORS * 3, OPERATORS[:1], OPERATORS[1:] * 2, OPERATORS[:2] * 3)
]
WORKLOADS = [Workload.parse(text) for text in ("decode:16", "prefill:24,batch=2", "generate:6,prompt=8")]


def record(
    sample: Sequence[Architecture] = SAMPLE,
    workloads: Sequence[Workload] = WORKLOADS,
    progress: Progress | None = None,
) -> LatencyTable:
    return record_table(
        OPERATORS,
        (32, 64),
        256,
        workloads,
        resolve_device("cpu"),
        seed=0,
        sample=sample,
        meta_tokens=3,
        calibration_networks=6,
        stop=QUICK,
        progress=progress,
    )


@pytest.fixture(scope="module")
def table() -> LatencyTable:
    return record()


def test_everything_is_recorded(table: LatencyTable) -> None:
    assert list(table.info.workloads) == [str(workload) for workload in WORKLOADS]
    for workload in WORKLOADS:
        assert table.covers(OPERATORS, (32, 64), workload, vocabulary=256, meta_tokens=3) == []
        found = table.record(workload)
        assert found.calibration.n == 6
        assert found.check.n == 4
        assert found.check.clock == table.clock
        for network in SAMPLE:
            assert np.isfinite(table.predict_ms(network, workload))
            assert table.raw_ms(network, workload) > 0
    assert table.device == resolve_device("cpu")
    assert table.info.kernels[0] == "PyTorch"
    assert {cell.n for cell in table.cells} == {4}
    assert all(cell.low_ms <= cell.latency_ms <= cell.high_ms for cell in table.cells)


def test_more_layers_cost_more(table: LatencyTable) -> None:
    for workload in WORKLOADS:
        deep, shallow = (Architecture(width=64, operators=OPERATORS * n, meta_tokens=3) for n in (4, 1))
        assert table.raw_ms(deep, workload) > 1.5 * table.raw_ms(shallow, workload)


def test_file_round_trip(table: LatencyTable, tmp_path: Path) -> None:
    table.save(tmp_path / "table.parquet")
    assert LatencyTable.load(tmp_path / "table.parquet").hash == table.hash


def test_check_of_a_table(table: LatencyTable) -> None:
    check = check_table(table, WORKLOADS[0], SAMPLE[:3], seed=1, stop=QUICK)
    assert (check.n, check.clock) == (3, table.clock)
    with pytest.raises(InputError, match="'d'"):
        check_table(table, WORKLOADS[0], [Architecture.parse("w64 meta=3 d")], seed=1, stop=QUICK)


def test_without_held_out_networks_there_is_no_check() -> None:
    told: list[tuple[int, int]] = []
    table = record(SAMPLE[:6], WORKLOADS[:1], progress=lambda *now: told.append(now))
    assert table.record(WORKLOADS[0]).check is None
    assert told[-1][0] == told[-1][1]


def test_too_few_networks_are_refused() -> None:
    with pytest.raises(InputError, match="at least 4"):
        record(SAMPLE[:3])


def test_what_does_not_fit_into_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MEMORY_SHARE", 1e-9)
    with pytest.raises(InputError, match="GiB of weights at once"):
        record()
