"""The union of two tables."""

from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiler_fakes import SLOPE_TWO, exact_cell, make_grid, make_info, make_table, setting_at

from nas_search.errors import InputError
from nas_search.profiler.cells import BEYOND, OVERHEAD, Cell, CellKey, PhaseSetting
from nas_search.profiler.check import TableCheck
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture

SETTINGS = [setting_at("step", context, batch) for context in (100, 200) for batch in (1, 8)]
KEYS = [setting.key(operator, 64) for setting in SETTINGS for operator in ("a", "f")]
CHECK = TableCheck(
    n=50, clock="device", mape_raw=0.1, mape_calibrated=0.1, mape_depth_only=0.1, mape_parameters_only=0.1,
    mape_rerun=0.1, minus_depth_only=(0, 0), minus_parameters_only=(0, 0), tau_calibrated=None, tau_depth_only=None,
    tau_parameters_only=None, tau_rerun=None,
)  # fmt: skip


def table_of(cells: Mapping[CellKey, float], settings: Iterable[PhaseSetting] = SETTINGS) -> LatencyTable:
    overheads = {setting.key(OVERHEAD, 64, 256): 1.0 for setting in settings}
    return LatencyTable(make_info(settings), [exact_cell(*cell) for cell in {**overheads, **cells}.items()])


def values(cells: Iterable[Cell]) -> dict[CellKey, float]:
    return {cell.key: cell.value for cell in cells}


@given(*[st.dictionaries(st.sampled_from(KEYS), st.floats(0, 9))] * 2)
def test_union_in_which_the_second_wins(one: dict[CellKey, float], two: dict[CellKey, float]) -> None:
    first, second = table_of(one), table_of(two)
    merged = LatencyTable.merge(first, second)
    assert values(merged.cells) == values(first.cells) | values(second.cells)
    assert LatencyTable.merge(first, first).cells == first.cells
    assert LatencyTable.merge(LatencyTable.merge(first, second), second).cells == merged.cells


def test_contexts_of_two_recordings_are_interpolated_between() -> None:
    near, far = (make_grid([setting_at("step", at)], lambda setting: setting.phase.context) for at in (100, 200))
    merged = LatencyTable.merge(near, far)
    assert merged.predict(Architecture.parse("w64 a"), Workload.parse("decode:150")) == 150
    assert merged.info.seconds == near.info.seconds + far.info.seconds


def test_what_all_widths_share_is_that_of_one_recording() -> None:
    """Prices of memory traffic belong together: those of the first count nothing where the second has its own."""
    own, other = SETTINGS[0], SETTINGS[1]
    first = table_of({own.key(f"{BEYOND}4"): 1.0, other.key(f"{BEYOND}4"): 1.0})
    second = table_of({own.key(f"{BEYOND}8"): 1.0}, [own])
    merged = values(LatencyTable.merge(first, second).cells)
    assert own.key(f"{BEYOND}4") not in merged
    assert {own.key(f"{BEYOND}8"), other.key(f"{BEYOND}4")} <= set(merged)


def test_checks_of_what_is_calibrated_anew_are_left_out() -> None:
    table = make_table()
    checked = LatencyTable(table.info.model_copy(update={"workloads": {"decode:256": CHECK}}), table.cells)
    other = LatencyTable(make_info([setting_at("step", 512)], "decode:512", fit=SLOPE_TWO), [])
    assert LatencyTable.merge(checked, other).info.workloads == {"decode:256": CHECK, "decode:512": None}
    assert LatencyTable.merge(checked, make_table()).info.workloads == {"decode:256": None}
    assert LatencyTable.merge(make_table(), checked).info.workloads == {"decode:256": CHECK}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("device", make_table().device.model_copy(update={"fingerprint": {"cpu": "Imaginary 2"}}), "devices differ"),
        ("clock", "wall", "clocks differ: device and wall"),
        ("source", "estimate", "sources differ: table and estimate"),
    ],
)
def test_unlike_tables_are_refused(field: str, value: object, message: str) -> None:
    table = make_table()
    other = LatencyTable(table.info.model_copy(update={field: value}), table.cells)
    with pytest.raises(InputError, match=message):
        LatencyTable.merge(table, other)


def test_other_vocabularies_are_refused() -> None:
    cells = [
        cell._replace(key=cell.key._replace(vocabulary=cell.key.vocabulary and 512)) for cell in make_table().cells
    ]
    with pytest.raises(InputError, match="vocabularies differ: 256 and 512"):
        LatencyTable.merge(make_table(), LatencyTable(make_table().info, cells))
