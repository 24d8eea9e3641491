"""The members of the front in a report: predicted beside confirmed, each with its operator strip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas_search.results import figures
from nas_search.results.html import Html, element
from nas_search.results.strip import html_legend, svg_strip
from nas_search.space.architecture import Architecture

if TYPE_CHECKING:
    from nas_search.results.view import RunView
    from nas_search.search.trial import TrialRecord


def front_section(view: RunView) -> Html:
    """A table with two lines for each member: figures, and what it is made of."""
    if not view.members:
        return element("p", "No trial is on the front.")
    legend = html_legend(Architecture.parse(record.architecture) for record in view.members)
    head = element("thead", _grouped_heading(view.unit), _heading())
    members = (_member(record, record == view.winner) for record in view.members)
    return element("div", legend, element("div", element("table", head, *members, class_="front"), class_="scroll"))


# (heading, label where each member is a card of its own)
_COLUMNS = (
    ("trial", "trial"),
    ("predicted", "latency predicted"),
    ("measured", "latency measured"),
    ("95 % interval", "95 % interval"),
    ("searched", "bits per byte searched"),
    ("confirmed", "bits per byte confirmed"),
    ("per seed", "per seed"),
    ("parameters", "parameters"),
)


def _grouped_heading(unit: str) -> Html:
    return element(
        "tr",
        element("th"),
        element("th", f"latency, {unit}", colspan=3, scope="colgroup", class_="group"),
        element("th", "bits per byte", colspan=3, scope="colgroup", class_="group"),
        element("th"),
        class_="groups",
    )


def _heading() -> Html:
    return element("tr", *(element("th", name, scope="col", class_=_alignment(name)) for name, _ in _COLUMNS))


def _member(record: TrialRecord, wins: bool) -> Html:
    cells = [
        element("td", value, class_=_alignment(label), data_label=label)
        for (_, label), value in zip(_COLUMNS, _values(record, wins), strict=True)
    ]
    architecture = Architecture.parse(record.architecture)
    made_of = element("div", svg_strip(architecture), element("code", record.architecture))
    content = element("td", made_of, colspan=len(_COLUMNS))
    body = [element("tr", *cells), element("tr", content, class_="made-of")]
    return element("tbody", *body, class_="member winner" if wins else "member")


def _alignment(column: str) -> str | None:
    return None if column == "trial" else "number"


def _values(record: TrialRecord, wins: bool) -> list[str]:
    trial = f"{record.number}{' (winner)' * wins}"
    predicted = [trial, figures.latency(record.latency_ms)]
    loss, size = figures.bits(record.bits_per_byte), figures.count(record.parameters)
    if record.confirmed is None:
        return [*predicted, *[figures.NONE] * 2, loss, *[figures.NONE] * 2, size]
    latency = record.confirmed.latency
    interval = f"{figures.interval(latency.low_ms, latency.high_ms)} (n = {latency.n})"
    seeds = figures.listing([score.bits_per_byte for score in record.confirmed.scores])
    mean = figures.bits(record.confirmed.bits_per_byte)
    return [*predicted, figures.latency(latency.latency_ms), interval, loss, mean, seeds, size]
