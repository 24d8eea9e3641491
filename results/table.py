"""The front as a table in a terminal; where the output is no terminal, rich leaves the colours out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas_search.results import figures

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from nas_search.search.goals import Goals
    from nas_search.search.objectives import Quantity
    from nas_search.search.study import Study
    from nas_search.search.trial import TrialRecord

_WINNER_MARK, _PREDICTED_MARK = "*", "≈"


def front_table(study: Study) -> Table:
    """The front by rising predicted latency: what the search predicted beside what was confirmed."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", caption_justify="left")
    winner, front = study.winner(), study.front()
    main, further = study.goals.main, study.goals.further
    sources = (figures.predicted(study.source).replace(" ", "\n") if front else "predicted", "measured")
    names = [
        "trial",
        *(f"{main.unit}\n{source}" for source in sources),
        "bits/byte\nsearched",
        "bits/byte\nconfirmed",
    ]
    names += [*map(_heading, further), *_recall_headings(study.goals)]
    for name in names:
        table.add_column(name, justify="right", no_wrap=True, vertical="top")
    table.add_column("parameters", justify="right", no_wrap=True)
    table.add_column("architecture", overflow="fold")
    for record in front:
        wins = winner is not None and record.number == winner.number
        table.add_row(*_cells(record, study.goals, wins=wins), style="bold" if wins else None)
    table.caption = _caption(study, winner)
    return table


def _heading(quantity: Quantity) -> str:
    """A workload above its unit, each option on a line of its own."""
    return "\n".join([*quantity.name.split(","), quantity.unit])


def _recall_headings(goals: Goals) -> list[str]:
    """Of a search that trains every candidate on a task two, as there are of the loss."""
    return [
        f"{quantity.name}\n{stage}"
        for quantity in goals.confirmed_recalls
        for stage in (("searched", "confirmed") if quantity in goals.recalls else ("confirmed",))
    ]


def _recalls(record: TrialRecord, goals: Goals) -> list[str]:
    """Means over seeds, under the headings of recall."""
    cells = []
    for quantity in goals.confirmed_recalls:
        if quantity in goals.recalls:
            cells.append(figures.percent(record.figures.get(quantity.name)))
        score = record.confirmed_recall(quantity.name)
        cells.append(figures.percent(score.mean if score else None))
    return cells


def _cells(record: TrialRecord, goals: Goals, *, wins: bool) -> list[RenderableType]:
    from rich.text import Text

    confirmed, measured = record.confirmed, record.measured(goals.main.name)
    return [
        f"{_WINNER_MARK if wins else ''}{record.number}",
        figures.latency(record.latency_ms),
        figures.latency(measured.value if measured else None),
        figures.bits(record.bits_per_byte),
        figures.bits(confirmed.bits_per_byte if confirmed else None),
        *(_figure(record, quantity) for quantity in goals.further),
        *_recalls(record, goals),
        figures.count(record.parameters),
        Text(record.architecture),  # its brackets are no markup, nor escaped where the console has none
    ]


def _figure(record: TrialRecord, quantity: Quantity) -> str:
    """As measured, or marked as predicted: two columns for each would leave no room for architectures."""
    measured = record.measured(quantity.name)
    if measured is None:
        return f"{_PREDICTED_MARK}{figures.significant(record.figures[quantity.name])}"
    return figures.significant(measured.value)


def _caption(study: Study, winner: TrialRecord | None) -> str:
    if not study.front():
        return "No trial is on the front."
    twins = "; losses are those of twins" if study.facts and study.facts.twins else ""
    if winner is None:
        return f"Nothing is confirmed yet: figures are predicted, losses come from one short training{twins}."
    marks = f"; {_PREDICTED_MARK} {figures.predicted(study.source)}, not measured" if study.goals.further else ""
    return f"{_WINNER_MARK} winner{marks}{twins}"
