"""The table of all proposals, folded away where they are many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas_search.results import figures
from nas_search.results.html import Column, Html, element, heading_row, trial_link
from nas_search.results.outcomes import outcome_reason, state_name

if TYPE_CHECKING:
    from nas_search.results.view import RunView
    from nas_search.search.trial import TrialRecord

MANY = 60


def trials_section(view: RunView) -> Html:
    """Every proposal, with its state and the reason for it."""
    if not view.records:
        return element("p", "Nothing was proposed yet.")
    columns = _columns(view)
    front = {record.number for record in view.front}
    rows = [_row(record, view, columns, on_front=record.number in front) for record in view.records]
    content = element(
        "table", element("thead", heading_row(columns)), element("tbody", *rows), class_="trials sortable"
    )
    summary = element("summary", f"{len(view.records):,} proposals; with JavaScript a click on a heading sorts")
    folded = None if len(view.records) > MANY else ""
    return element("details", summary, element("div", content, class_="scroll"), open=folded)


def _columns(view: RunView) -> list[Column]:
    return [
        Column("trial", numeric=True),
        Column("state"),
        Column(f"{view.unit}, {view.predicted}", numeric=True),
        *(Column(f"{figures.title(quantity)}, {view.predicted}", numeric=True) for quantity in view.goals.further),
        *(Column(figures.title(quantity), numeric=True) for quantity in view.goals.recalls),
        Column("bits per byte", numeric=True),
        Column("tokens", numeric=True),
        Column("parameters", numeric=True),
        Column("training, s", numeric=True),
        Column("architecture"),
        *([Column("trained as")] if view.facts.twins else []),
        Column("reason"),
    ]


def _row(record: TrialRecord, view: RunView, columns: list[Column], *, on_front: bool) -> Html:
    loss = figures.bits(record.bits_per_byte)
    tokens = figures.NONE if record.rung is None else f"{view.ladder.tokens[record.rung]:,}"
    cells = [
        trial_link(record.number),
        element("span", state_name(record), class_=f"state {record.state}"),
        figures.latency(record.latency_ms),
        *(figures.significant(record.figures[quantity.name]) for quantity in view.goals.further),
        *(figures.percent(record.figures.get(quantity.name)) for quantity in view.goals.recalls),
        f"≈ {loss}" if record.extrapolated else loss,
        tokens,
        f"{record.parameters:,}",
        "reused" if record.reused else f"{record.seconds:.1f}" if record.seconds else figures.NONE,
        element("code", record.architecture),
        *([element("code", record.scored_as or figures.NONE)] if view.facts.twins else []),
        "on the front" if on_front else outcome_reason(record, view),
    ]
    tds = (
        element("td", cell, class_="number" if column.numeric else None)
        for column, cell in zip(columns, cells, strict=True)
    )
    return element("tr", *tds, id=f"trial-{record.number}")
