"""Two latency tables of one device as one."""

from __future__ import annotations

from nas_search.errors import InputError
from nas_search.profiler.cells import ALL_WIDTHS, OVERHEAD, Cell
from nas_search.profiler.table import LatencyTable


def merge_tables(first: LatencyTable, second: LatencyTable) -> LatencyTable:
    """The union of two tables; where both have something, that of ``second`` counts.

    Settings that both have are calibrated as in ``second``, so the checks of ``first`` do not hold there and are left
    out. Raises InputError unless both are of one device, source, clock and vocabulary.
    """
    _require_alike(first, second)
    one, two = first.info, second.info
    again = set(one.phases) & set(two.phases)
    checks = dict.fromkeys(one.workloads) if again else one.workloads
    info = two.model_copy(
        update={
            "space": two.space if one.space == two.space else f"{one.space} + {two.space}",
            "busy": one.busy or two.busy,
            "kernels": tuple(dict.fromkeys((*one.kernels, *two.kernels))),
            "seconds": round(one.seconds + two.seconds, 1),
            "phases": one.phases | two.phases,
            "workloads": checks | two.workloads,
            "failures": one.failures | two.failures,
            "roofline_mape": one.roofline_mape | two.roofline_mape,
        }
    )
    replaced = {record.setting.key("") for record in two.phases.values()}
    kept = {cell.key: cell for cell in first.cells if not (cell.key.width == ALL_WIDTHS and _setting(cell) in replaced)}
    return LatencyTable(info, (kept | {cell.key: cell for cell in second.cells}).values())


def _require_alike(first: LatencyTable, second: LatencyTable) -> None:
    for what, one, two in (
        ("devices", first.device.id, second.device.id),
        ("sources", first.source, second.source),
        ("clocks", first.clock, second.clock),
        ("vocabularies", _vocabularies(first), _vocabularies(second)),
    ):
        if one and two and one != two:
            raise InputError(f"latency tables: they cannot be merged, their {what} differ: {one} and {two}")


def _vocabularies(table: LatencyTable) -> str:
    """Those that it has overheads for; none if it has no phases."""
    found = {cell.key.vocabulary for cell in table.cells if cell.key.operator == OVERHEAD}
    return ", ".join(map(str, sorted(found)))


def _setting(cell: Cell) -> tuple[object, ...]:
    return cell.key._replace(operator="", width=ALL_WIDTHS, vocabulary=0)
