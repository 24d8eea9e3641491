"""Writing report.html: which sections there are, and in what order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from nas_search.files import write_text_atomic
from nas_search.results import figures
from nas_search.results.axes import layout
from nas_search.results.front_view import FrontView
from nas_search.results.html import Html, element, join
from nas_search.results.page import packed, page, picture, script
from nas_search.results.plots import front_figure, hypervolume_figure
from nas_search.results.progress import hypervolume_steps
from nas_search.results.report.agreement import agreement_section
from nas_search.results.report.confirmed_figure import confirmed_figures
from nas_search.results.report.curves import learning_curves
from nas_search.results.report.depth_profile import depth_section
from nas_search.results.report.details import trial_details
from nas_search.results.report.headline import headline
from nas_search.results.report.importance import importance_section
from nas_search.results.report.members import front_section
from nas_search.results.report.settings import (
    limits_section,
    provenance_section,
    settings_section,
    table_section,
    time_section,
)
from nas_search.results.report.trials import trials_section
from nas_search.results.view import RunView

if TYPE_CHECKING:
    from nas_search.search.study import Study

REPORT_FILE = "report.html"
RELOAD_SECONDS = 30
"""How often a page without scripts asks for a newer report while the search runs."""

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
_RECALL_CAPTION = (
    "The same candidates and the same front: left and down are better. Recall is the share of answers that are right, "
    "mean over seeds; bars are the range over seeds."
)
_PROGRESS_CAPTION = (
    "The hypervolume that the front dominates up to {reference} (limits where there are, else the worst that was seen; "
    "the loss is that of a model that knows nothing), from the first complete trial on. Seconds are those of training, "
    "summed over workers."
)
_CONFIRMED_CAPTION = (
    "On the dotted line both would be the same. Bars are the 95 % interval of the median latency, and the range over "
    "seeds."
)
_MORE_TOKENS = " Confirmed losses come from {times} times the tokens of searched ones."


def write_report(study: Study) -> Path:
    """Write ``report.html`` into the run directory, whole or not at all, and return its path (2 to 4 MB).

    Most of the size is plotly.js. Raises InputError if the search has not begun, OSError when the disk is full.
    """
    path = study.run_dir / REPORT_FILE
    write_text_atomic(path, report_html(RunView.of(study)))
    return path


def report_html(view: RunView) -> str:
    """The page as text."""
    sections = [
        _section("front", "The front", _front(view)),
        _section("members", "Predicted and confirmed", _members(view)),
        _section("limits", "How far to trust this", limits_section(view)),
        _section("progress", "Progress of the search", _progress_picture(view)),
        _section("genes", "What decides loss and latency", importance_section(view)),
        _section("depth", "Which operators stand where", depth_section(view)),
        _section("agreement", "Whether short trainings rank like long ones", agreement_section(view)),
        _section("table", "Error of the latency table", table_section(view)),
        _section("settings", "How candidates were scored", settings_section(view)),
        _section("time", "Where the time went", time_section(view)),
        _section("again", "How to do it again", provenance_section(view)),
        _section("trials", "All proposals", trials_section(view)),
    ]
    head = (_reloading(),) if view.running else ()
    scripts = (packed("study", json.dumps(_study(view))), script("nas_search.results.report", "report.js"))
    return page(f"nas-search: {view.name}", headline(view), element("main", *sections), head=head, scripts=scripts)


def _section(identifier: str, title: str, content: Html) -> Html:
    return element("section", element("h2", title), content, id=identifier)


def _reloading() -> Html:
    """For browsers without scripts; with them, report.js waits for a moment when nobody reads."""
    return element("noscript", element("meta", http_equiv="refresh", content=RELOAD_SECONDS))


def _study(view: RunView) -> dict[str, object]:
    """What report.js shows when a trial is chosen."""
    return {
        "running": view.running,
        "written": view.read_at.isoformat(),
        "anchor": view.anchor.number if view.anchor else None,
        "front": [record.number for record in view.front],
        "details": {record.number: trial_details(view, record) for record in view.records},
        "curves": {number: [curve._asdict() for curve in found] for number, found in learning_curves(view).items()},
        "rungs": {r.number: [view.ladder.tokens[: len(r.rung_scores)], r.rung_scores] for r in view.scored},
        "layout": layout(height=280),
    }


def _front(view: RunView) -> Html:
    """The picture, and below it what is known of one trial: of the winner until another one is chosen."""
    if not view.scored:
        return element("p", "No trial has a loss, so there is nothing to draw.")
    chosen = trial_details(view, view.anchor) if view.anchor else element("p", "No trial reached the top rung yet.")
    chooser = element(
        "div",
        element("p", "Choose a point above, a trial's number in any table, or here:"),
        element("button", "← faster", type="button", data_step="-1"),
        element("button", "slower →", type="button", data_step="1"),
        element("label", "trial ", element("input", type="number", min=0, max=len(view.records) - 1)),
        class_="chooser",
        hidden="",
    )
    curve = element("div", id="curve", class_="figure", role="group", aria_label="Learning curve of the chosen trial")
    panel = element("div", chosen, id="chosen", tabindex=-1, aria_live="polite")
    return join([_front_pictures(view), element("div", chooser, panel, curve, class_="panel")])


def _front_pictures(view: RunView) -> Html:
    limits = {limit.quantity: limit.bound for limit in view.goals.limits}
    main, _, *further = [
        FrontView.of(view.records, view.front, quantity, view.table.source, limits.get(quantity))
        for quantity in view.goals.objectives
    ]
    measured = any(record.measured(view.goals.main.name) for record in view.confirmed) or not view.confirmed
    caption = _FRONT_CAPTION.format(confirmed=_MEASURED if measured else _NOT_MEASURED)
    pictures = [picture(front_figure(main), "front-figure", caption, "The front; tables below have its figures")]
    for number, plane in enumerate(further, start=1):
        caption = _RECALL_CAPTION if plane.quantity.is_recall else _FURTHER_CAPTION
        pictures.append(picture(front_figure(plane, height=320), f"front-figure-{number}", caption))
    return join(pictures)


def _members(view: RunView) -> Html:
    drawn = confirmed_figures(view)
    if not drawn:
        return front_section(view)
    pictures = (picture(figure, f"confirmed-{name}", "", f"Confirmed {name}") for name, figure in drawn.items())
    caption = _CONFIRMED_CAPTION
    confirmed = max((record.confirmed.tokens for record in view.confirmed if record.confirmed), default=0)
    if confirmed != view.config.tokens:
        caption += _MORE_TOKENS.format(times=f"{confirmed / view.config.tokens:.3g}")
    pair = element("div", *(element("div", one) for one in pictures), class_="pair")
    return join([pair, element("p", caption, class_="caption"), front_section(view)])


def _progress_picture(view: RunView) -> Html:
    steps = hypervolume_steps(view.records, view.goals, view.reference)
    if not steps:
        return element("p", "No trial is complete.")
    corner = zip(view.goals.objectives, view.reference, strict=True)
    reference = ", ".join(f"{figures.significant(q.minimised(value))} {q.unit}" for q, value in corner)
    caption = _PROGRESS_CAPTION.format(reference=reference)
    last = steps[-1]
    words = (
        f"After {last.evaluations:,} trained candidates and {figures.duration(last.seconds)} of training: "
        f"{figures.significant(last.hypervolume)}."
    )
    return join([element("p", words), picture(hypervolume_figure(steps), "hypervolume-figure", caption)])
