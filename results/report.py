"""report.html: everything about a study on one page that needs neither a network nor, but for pictures, JavaScript."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas_search.files import write_text_atomic
from nas_search.results import figures
from nas_search.results.front_section import front_section
from nas_search.results.headline import headline
from nas_search.results.html import Html, element, join
from nas_search.results.page import page, picture, script
from nas_search.results.plots import FrontView, front_figure, hypervolume_figure
from nas_search.results.progress import hypervolume_steps
from nas_search.results.sections import (
    limits_section,
    provenance_section,
    settings_section,
    table_section,
    time_section,
    trials_section,
)
from nas_search.results.view import RunView

if TYPE_CHECKING:
    from nas_search.search.study import Study

REPORT_FILE = "report.html"

_FRONT_CAPTION = (
    "Each point is a candidate: left is faster, down is better. Ticks along the top are over a limit and were not "
    "trained; hollow points were stopped early, at the loss they were headed for. Diamonds are members of the front "
    "{confirmed}; a dotted line leads to each from what the search had predicted."
)
_MEASURED = "measured end to end and trained again (bars: 95 % interval of the median latency, range over seeds)"
_NOT_MEASURED = "trained again (bars: range over seeds), not measured"
_FURTHER_CAPTION = (
    "The same candidates and the same front: left and down are better. The line is the edge in this plane; members "
    "away from it are on the front for another objective."
)
_PROGRESS_CAPTION = (
    "The hypervolume that the front dominates up to {reference} (limits where there are, else the worst that was seen; "
    "the loss is that of a model that knows nothing), from the first complete trial on. Seconds are those of training, "
    "summed over workers."
)


def write_report(study: Study) -> Path:
    """Write ``report.html`` into the run directory, whole or not at all, and return its path (about 5 MB).

    Nearly all of the size is plotly.js. Raises OSError when the disk is full.
    """
    path = study.run_dir / REPORT_FILE
    write_text_atomic(path, report_html(RunView.of(study)))
    return path


def report_html(view: RunView) -> str:
    """The page as text."""
    sections = [
        _section("front", "The front", _front_picture(view)),
        _section("members", "Predicted and confirmed", front_section(view)),
        _section("limits", "How far to trust this", limits_section(view)),
        _section("progress", "Progress of the search", _progress_picture(view)),
        _section("table", "Error of the latency table", table_section(view)),
        _section("settings", "How candidates were scored", settings_section(view)),
        _section("time", "Where the time went", time_section(view)),
        _section("again", "How to do it again", provenance_section(view)),
        _section("trials", f"All {len(view.records)} proposals", trials_section(view)),
    ]
    return page(f"nas-search: {view.name}", headline(view), element("main", *sections), script("report.js"))


def _section(identifier: str, title: str, content: Html) -> Html:
    return element("section", element("h2", title), content, id=identifier)


def _front_picture(view: RunView) -> Html:
    if all(record.bits_per_byte is None for record in view.records):
        return element("p", "No trial has a loss, so there is nothing to draw.")
    limits = {limit.quantity: limit.bound for limit in view.goals.limits}
    main, _, *further = [
        FrontView(view.records, view.front, quantity, view.table.source, limits.get(quantity))
        for quantity in view.goals.objectives
    ]
    measured = any(record.measured(view.goals.main.name) for record in view.confirmed) or not view.confirmed
    caption = _FRONT_CAPTION.format(confirmed=_MEASURED if measured else _NOT_MEASURED)
    pictures = [picture(front_figure(main), "front-figure", caption)]
    for number, plane in enumerate(further, start=1):
        pictures.append(picture(front_figure(plane, height=320), f"front-figure-{number}", _FURTHER_CAPTION))
    return join(pictures)


def _progress_picture(view: RunView) -> Html:
    steps = hypervolume_steps(view.records, view.goals, view.reference)
    if not steps:
        return element("p", "No trial is complete.")
    corner = zip(view.goals.objectives, view.reference, strict=True)
    reference = ", ".join(f"{figures.significant(q.minimised(value))} {q.unit}" for q, value in corner)
    caption = _PROGRESS_CAPTION.format(reference=reference)
    return picture(hypervolume_figure(steps), "hypervolume-figure", caption)
