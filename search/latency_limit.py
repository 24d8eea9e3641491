"""The latency limit of a search: what its budget comes to on the device."""

from __future__ import annotations

from nas_search.errors import InputError
from nas_search.profiler.estimate import workload_estimate_ms
from nas_search.profiler.known_devices import find_known
from nas_search.profiler.measurement import Failure
from nas_search.profiler.table import LatencyTable
from nas_search.search.budget import resolve_budget
from nas_search.search.confirm import measure
from nas_search.search.sitting import Sitting
from nas_search.search.table_stage import table_is_not_lost
from nas_search.space.architecture import Architecture


def latency_limit(sitting: Sitting, table: LatencyTable) -> float | None:
    """The limit in ms, None without a budget.

    Raises InputError if it cannot be met or known; a table that was recorded for it is not lost.
    """
    config, setting = sitting.config, sitting.setting
    if config.latency_budget is None:
        return None
    with table_is_not_lost(sitting):
        return resolve_budget(
            config.latency_budget,
            table,
            setting.space,
            setting.workload,
            lambda architecture: _beyond_table(sitting, table, architecture),
        )


def _beyond_table(sitting: Sitting, table: LatencyTable, architecture: Architecture) -> float:
    """The latency of an architecture that the table does not cover: measured, or estimated as the table is."""
    workload = sitting.setting.workload
    if sitting.setting.source.measures:
        (outcome,) = measure(sitting, [architecture.notation], workload, table.clock)
        if isinstance(outcome, Failure):
            raise InputError(f"latency budget '{architecture.notation}': not measured, {outcome.reason}")
        return outcome.value
    known = find_known(table.device.name)
    if table.source == "estimate" and known is not None:
        return workload_estimate_ms(
            architecture, workload, known.rates(workload.dtype), captured=table.device.captures_steps
        )
    missing = table.covers(
        architecture.operators,
        [architecture.width],
        workload,
        vocabulary=architecture.vocabulary,
        meta_tokens=architecture.meta_tokens,
    )
    raise InputError(
        f"latency budget '{sitting.config.latency_budget}': not in the table of '{table.device.name}' ({missing[0]}), "
        f"and that device is not here to measure it; give a time, such as 12ms"
    )
