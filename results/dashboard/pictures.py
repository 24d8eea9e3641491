"""Figures of a run for the dashboard, which draws them as they are: in light and in dark, 450 pixels high."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from nas_search.results import figures
from nas_search.results.axes import layout, log_axis
from nas_search.results.front_view import FrontView
from nas_search.results.plots import FRONT_COLOUR, TRIAL_COLOUR, front_figure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from plotly.graph_objects import Figure, Scatter

    from nas_search.results.view import RunView
    from nas_search.search.trial import TrialRecord

HEIGHT = 450
# Mid-tones: the dashboard's cards are white or nearly black.
_INK, _GRID = "#7C8594", "rgba(128, 134, 145, 0.25)"


def run_pictures(view: RunView) -> dict[str, Figure]:
    """Figures by identifier: the front in every plane, and the learning curves if there are any."""
    limits = {limit.quantity: limit.bound for limit in view.goals.limits}
    main, _, *further = view.goals.objectives
    found = {}
    for place, quantity in enumerate((main, *further)):
        plane = FrontView.of(view.records, view.front, quantity, view.table.source, limits.get(quantity))
        title = f"Front against {quantity.name}" if place else _front_title(view)
        found[f"front-{place}" if place else "front"] = _dressed(front_figure(plane, HEIGHT), title)
    trained = [record for record in view.records if record.rung_scores]
    if trained:
        found["learning-curves"] = _dressed(_curves(trained, view), "Learning curves")
    return found


def _front_title(view: RunView) -> str:
    so_far = "" if view.finished and not view.running else " so far"
    return f"Front{so_far}: {len(view.front)} of {len(view.records)} trials"


def _dressed(figure: Figure, title: str) -> Figure:
    """With a title, the legend below, where it has room on a phone, and colours that read on white and on black."""
    figure.update_layout(
        font_color=_INK,
        title={"text": title, "x": 0, "xanchor": "left", "pad": {"l": 8}, "font": {"size": 15}},
        margin={"t": 52},
        legend={"yref": "container", "y": 0, "yanchor": "bottom"},
    )
    for axis in (figure.update_xaxes, figure.update_yaxes):
        axis(gridcolor=_GRID, linecolor=_GRID, title_font_size=11)
    return figure


def _curves(records: Sequence[TrialRecord], view: RunView) -> Figure:
    """The loss at every rung that a candidate reached, those of the front above the others."""
    from plotly.graph_objects import Figure

    figure = Figure(layout=layout(HEIGHT))
    front = {record.number for record in view.front}
    members = [record for record in records if record.number in front]
    others = [record for record in records if record.number not in front]
    figure.add_traces([
        _lines(others, view, "not on the front", TRIAL_COLOUR, 0.45),
        _lines(members, view, "front, as searched", FRONT_COLOUR, 1.0),
    ])  # fmt: skip
    ticks = {"tickvals": view.ladder.tokens, "ticktext": [f"{tokens:,}" for tokens in view.ladder.tokens]}
    axis = log_axis([float(tokens) for tokens in view.ladder.tokens]) | ticks
    figure.update_xaxes(title_text="training tokens (log scale)", **axis)
    figure.update_yaxes(title_text="bits per byte (lower is better)")
    return figure


def _lines(records: Sequence[TrialRecord], view: RunView, name: str, colour: str, opacity: float) -> Scatter:
    """One line for each trial, all in one trace with gaps between them."""
    from plotly.graph_objects import Scatter

    points = list(chain.from_iterable(_points(record, view.ladder.tokens) for record in records))
    return Scatter(
        x=[tokens for _, tokens, _ in points],
        y=[loss for _, _, loss in points],
        text=[text for text, _, _ in points],
        mode="lines+markers",
        name=name,
        opacity=opacity,
        line={"color": colour, "width": 1.2},
        marker={"size": 5},
        hovertemplate="%{text}<extra></extra>",
        showlegend=bool(records),
    )


def _points(record: TrialRecord, ladder: Sequence[int]) -> Iterable[tuple[str, int | None, float | None]]:
    for tokens, loss in zip(ladder, record.rung_scores, strict=False):
        yield f"trial {record.number}, {tokens:,} tokens: {figures.bits(loss)}", tokens, loss
    yield "", None, None
