"""Everything about one trial, as it is shown when its point or its row is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nas_search.results import figures
from nas_search.results.html import Column, Html, element, join, table
from nas_search.results.outcomes import outcome_reason, state_name
from nas_search.results.report.difference import changes, changes_html
from nas_search.results.strip import html_legend, html_strip

if TYPE_CHECKING:
    from nas_search.results.view import RunView
    from nas_search.search.trial import TrialRecord


class Figure(NamedTuple):
    """A figure of a trial: ``decimals`` says how it is written, None is for four digits and differences as shares."""

    label: str
    value: float
    decimals: int | None = None

    def __str__(self) -> str:
        return figures.significant(self.value) if self.decimals is None else f"{self.value:,.{self.decimals}f}"

    def minus(self, other: Figure) -> str:
        """The difference to another trial's figure."""
        if self.decimals is not None:
            return f"{self.value - other.value:+,.{self.decimals}f}"
        return f"{100 * (self.value / other.value - 1):+.1f} %" if other.value else figures.NONE


def trial_details(view: RunView, record: TrialRecord) -> Html:
    """Its strip, its figures beside those of the winner, what differs along depth, and its losses by rung."""
    network, anchor = view.networks[record.number], view.anchor
    other = anchor if anchor is not None and anchor.number != record.number else None
    parts = [
        element("h3", _title(view, record)),
        html_strip(network.operators),
        html_legend([network]),
        element("p", element("code", record.architecture), class_="notation"),
        _twin(record),
        _figures_table(view, record, other),
    ]
    if other is not None:
        found = changes(view.networks[other.number], network)
        parts += [element("h4", f"From the {_role(view)} to this"), changes_html(found)]
    return join(parts)


def _role(view: RunView) -> str:
    return "winner" if view.winner else "lowest loss"


def _title(view: RunView, record: TrialRecord) -> str:
    reason = outcome_reason(record, view)
    wins = ", the winner" if view.winner and record.number == view.winner.number else ""
    return f"Trial {record.number}: {state_name(record)}{f', {reason}' if reason else ''}{wins}"


def _twin(record: TrialRecord) -> Html:
    if record.scored_as is None:
        return Html("")
    return element("p", "Trained as its twin ", element("code", record.scored_as), class_="notation")


def _figures_table(view: RunView, record: TrialRecord, other: TrialRecord | None) -> Html:
    heads = [Column(""), Column(f"trial {record.number}", numeric=True)]
    mine = _figures(view, record)
    if other is None:
        rows = [[figure.label, str(figure)] for figure in mine.values()]
    else:
        heads += [Column(f"{_role(view)}, trial {other.number}", numeric=True), Column("difference", numeric=True)]
        theirs = _figures(view, other)
        rows = [[figure.label, str(figure), *_against(figure, theirs.get(key))] for key, figure in mine.items()]
    return table(heads, rows, class_="figures")


def _against(mine: Figure, theirs: Figure | None) -> tuple[str, str]:
    return (figures.NONE, figures.NONE) if theirs is None else (str(theirs), mine.minus(theirs))


def _figures(view: RunView, record: TrialRecord) -> dict[str, Figure]:
    """By what they are of, so that those of two trials meet."""
    network, top = view.networks[record.number], view.ladder.tokens[-1]
    found = {
        "depth": Figure("operators", network.depth, 0),
        "width": Figure("width", network.width, 0),
        "parameters": Figure("parameters", record.parameters, 0),
    }
    for quantity in (view.goals.main, *view.goals.further):
        title, measured = figures.title(quantity), record.measured(quantity.name)
        found[quantity.name] = Figure(f"{title}, {view.predicted}", record.figures[quantity.name])
        if measured is not None:
            found[f"{quantity.name} measured"] = Figure(f"{title}, measured", measured.value)
    for task, score in record.recalls.items():
        found[task] = Figure(f"{task}, % of answers right", 100 * score.mean, 1)
    for task, score in (record.confirmed.recalls if record.confirmed else {}).items():
        found[f"{task} confirmed"] = Figure(f"{task}, % of answers right, confirmed", 100 * score.mean, 1)
    for tokens, loss in zip(view.ladder.tokens, record.rung_scores, strict=False):
        found[f"after {tokens}"] = Figure(f"bits per byte after {tokens:,} tokens", loss, 4)
    if record.extrapolated and record.bits_per_byte is not None:
        found[f"after {top}"] = Figure(f"bits per byte after {top:,} tokens, extrapolated", record.bits_per_byte, 4)
    if record.confirmed is not None:
        label = f"bits per byte, confirmed ({record.confirmed.tokens:,} tokens)"
        found["confirmed"] = Figure(label, record.confirmed.bits_per_byte, 4)
    if record.seconds:
        found["seconds"] = Figure("seconds of training", record.seconds, 1)
    return found
