"""The members of the front in a report: predicted beside confirmed, each with its operator strip."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from nas_search.results import figures
from nas_search.results.html import Html, element, trial_link
from nas_search.results.strip import html_legend, html_strip
from nas_search.space.architecture import Architecture

if TYPE_CHECKING:
    from nas_search.results.view import RunView
    from nas_search.search.objectives import Quantity
    from nas_search.search.trial import TrialRecord


class Group(NamedTuple):
    """Columns under one heading (none where it is empty): their names, and their values for a member."""

    heading: str
    columns: tuple[str, ...]
    values: Callable[[TrialRecord], tuple[str, ...]]

    def label(self, column: str) -> str:
        """A column's full name, for where each member is a card of its own."""
        return f"{self.heading} {column}".strip()


def front_section(view: RunView) -> Html:
    """A table with two lines for each member: figures, and what it is made of."""
    if not view.members:
        return element("p", "No trial is on the front.")
    groups = _groups(view)
    legend = html_legend(Architecture.parse(record.architecture) for record in view.members)
    head = element("thead", _grouped_heading(groups), _heading(groups))
    members = (_member(groups, record, record == view.winner) for record in view.members)
    return element("div", legend, element("div", element("table", head, *members, class_="front"), class_="scroll"))


def _groups(view: RunView) -> list[Group]:
    """What was asked of the device, each predicted and measured, around the losses."""

    def trial(record: TrialRecord) -> tuple[str, ...]:
        return (element("span", trial_link(record.number), " (winner)" * (record == view.winner)),)

    return [
        Group("", ("trial",), trial),
        _figure_group(view, view.goals.main),
        Group("bits per byte", ("searched", "confirmed", "per seed"), _losses),
        *(_figure_group(view, quantity) for quantity in view.goals.further),
        *(_recall_group(view, quantity) for quantity in view.goals.confirmed_recalls),
        Group("", ("parameters",), lambda record: (figures.count(record.parameters),)),
    ]


def _figure_group(view: RunView, quantity: Quantity) -> Group:
    """Predicted values, and where anything was measured the measured ones with their intervals."""

    def values(record: TrialRecord) -> tuple[str, ...]:
        measured = record.measured(quantity.name)
        predicted = figures.significant(record.figures[quantity.name])
        if measured is None:
            return predicted, figures.NONE, figures.NONE
        return predicted, figures.significant(measured.value), figures.measured_interval(measured)

    if all(record.measured(quantity.name) is None for record in view.members):
        return Group(figures.title(quantity), (view.predicted,), lambda record: values(record)[:1])
    return Group(figures.title(quantity), (view.predicted, "measured", "95 % interval"), values)


def _recall_group(view: RunView, quantity: Quantity) -> Group:
    """What the search found, if it asked for it, and what fresh seeds gave in the last stage."""

    def values(record: TrialRecord) -> tuple[str, ...]:
        confirmed = figures.recall(record.confirmed_recall(quantity.name))
        return (figures.recall(record.recalls.get(quantity.name)), confirmed)

    if quantity in view.goals.recalls:
        return Group(figures.title(quantity), ("searched", "confirmed"), values)
    return Group(figures.title(quantity), ("confirmed",), lambda record: values(record)[1:])


def _losses(record: TrialRecord) -> tuple[str, ...]:
    searched, confirmed = figures.bits(record.bits_per_byte), record.confirmed
    if confirmed is None:
        return searched, figures.NONE, figures.NONE
    seeds = figures.listing([score.bits_per_byte for score in confirmed.scores])
    return searched, figures.bits(confirmed.bits_per_byte), seeds


def _grouped_heading(groups: list[Group]) -> Html:
    cells = (
        element("th", group.heading, colspan=len(group.columns), scope="colgroup", class_="group")
        if group.heading
        else element("th")
        for group in groups
    )
    return element("tr", *cells, class_="groups")


def _heading(groups: list[Group]) -> Html:
    columns = [column for group in groups for column in group.columns]
    return element("tr", *(element("th", column, scope="col", class_=_alignment(column)) for column in columns))


def _member(groups: list[Group], record: TrialRecord, wins: bool) -> Html:
    cells = [
        element("td", value, class_=_alignment(column), data_label=group.label(column))
        for group in groups
        for column, value in zip(group.columns, group.values(record), strict=True)
    ]
    operators = Architecture.parse(record.architecture).operators
    made_of = element("div", html_strip(operators), element("code", record.architecture))
    content = element("td", made_of, colspan=len(cells))
    body = [element("tr", *cells), element("tr", content, class_="made-of")]
    return element("tbody", *body, class_="member winner" if wins else "member")


def _alignment(column: str) -> str | None:
    return None if column == "trial" else "number"
