"""The front as a table in a terminal; where the output is no terminal, rich leaves the colours out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas_search.profiler.workload import Workload
from nas_search.results import figures

if TYPE_CHECKING:
    from rich.table import Table

    from nas_search.search.study import Study
    from nas_search.search.trial import TrialRecord

_WINNER_MARK = "*"


def front_table(study: Study) -> Table:
    """The front by rising predicted latency: what the search predicted beside what was confirmed."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", caption_justify="left")
    unit = Workload.parse(study.config.workload).unit
    for name in ("trial", f"{unit}\npredicted", f"{unit}\nmeasured", "bits/byte\nsearched", "bits/byte\nconfirmed"):
        table.add_column(name, justify="right", no_wrap=True, vertical="top")
    table.add_column("parameters", justify="right", no_wrap=True)
    table.add_column("architecture", overflow="fold")
    winner, front = study.winner(), study.front()
    for record in front:
        wins = winner is not None and record.number == winner.number
        table.add_row(*_cells(record, wins=wins), style="bold" if wins else None)
    table.caption = _caption(front, winner)
    return table


def _cells(record: TrialRecord, *, wins: bool) -> list[str]:
    from rich.markup import escape

    confirmed = record.confirmed
    return [
        f"{_WINNER_MARK if wins else ''}{record.number}",
        figures.latency(record.latency_ms),
        figures.latency(confirmed.latency.latency_ms if confirmed else None),
        figures.bits(record.bits_per_byte),
        figures.bits(confirmed.bits_per_byte if confirmed else None),
        figures.count(record.parameters),
        escape(record.architecture),
    ]


def _caption(front: list[TrialRecord], winner: TrialRecord | None) -> str:
    if not front:
        return "No trial is on the front."
    if winner is None:
        return "Nothing is confirmed yet: latencies are predicted, losses come from one short training."
    return f"{_WINNER_MARK} winner"
