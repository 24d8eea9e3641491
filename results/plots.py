"""Plotly figures of a study: loss against other objectives, and how the hypervolume grew.

Colours are mid-tones that read on white and on black; text and grid colours are set by the page that shows a figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from nas_search.results import figures
from nas_search.results.axes import layout
from nas_search.results.front_view import FrontView
from nas_search.results.outcomes import state_name
from nas_search.search.front import nondominated

if TYPE_CHECKING:
    from plotly.graph_objects import Figure, Scatter

    from nas_search.results.progress import Step
    from nas_search.search.trial import Confirmation, TrialRecord

HOVER_WIDTH = 40
FRONT_COLOUR, TRIAL_COLOUR, OVER_COLOUR, CONFIRMED_COLOUR = "#2F6DB5", "#8C9AB2", "#A9A9A9", "#D1550B"


def front_figure(view: FrontView, height: int = 460) -> Figure:
    """The quantity (log, better on the left) against bits per byte of all trials, the front and what is confirmed."""
    from plotly.graph_objects import Figure

    figure = Figure(layout=layout(height))
    members = {record.number for record in view.front}
    scored = [record for record in view.records if record.bits_per_byte is not None and record.state != "duplicate"]
    others = [record for record in scored if record.number not in members]
    ceiling = _ceiling(scored)
    over = [record for record in view.records if record.state in {"over_limit", "below_limit"}]
    figure.add_traces([
        _over_limit(view, over, ceiling),
        _trials(view, [record for record in others if record.extrapolated], "stopped, extrapolated", hollow=True),
        _trials(view, [record for record in others if not record.extrapolated], "complete", hollow=False),
        _front_line(view, ceiling),
        _front_points(view),
        *_confirmed(view),
    ])  # fmt: skip
    if view.limit is not None:
        figure.add_vline(x=view.limit, line={"dash": "dot", "width": 1, "color": OVER_COLOUR})
        figure.add_annotation(
            x=view.position(view.limit),
            y=1,
            yref="paper",
            text="limit",
            showarrow=False,
            xanchor="right",
            yanchor="top",
        )
    figure.update_xaxes(**view.axis(over))
    figure.update_yaxes(title_text="bits per byte (lower is better)")
    return figure


def hypervolume_figure(steps: Sequence[Step]) -> Figure:
    """Hypervolume of the front after each evaluation, side by side over evaluations and over training seconds."""
    from plotly.graph_objects import Scatter
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.05)
    levels = [step.hypervolume for step in steps]
    axes = (("trained candidates", [step.evaluations for step in steps]), ("training, s", [s.seconds for s in steps]))
    for column, (title, values) in enumerate(axes, start=1):
        line = {"color": FRONT_COLOUR, "width": 2, "shape": "hv"}
        trace = Scatter(x=values, y=levels, mode="lines", line=line, name="", hovertemplate="%{x:.4g}: %{y:.4g}")
        figure.add_trace(trace, row=1, col=column)
        figure.update_xaxes(title_text=title, rangemode="tozero", row=1, col=column)
    figure.update_layout(layout(height=260), showlegend=False)
    figure.update_yaxes(title_text="hypervolume", row=1, col=1)
    return figure


def _over_limit(view: FrontView, records: Sequence[TrialRecord], ceiling: float) -> Scatter:
    """Ticks along the top: these have figures, but no loss."""
    trained = any(record.state == "below_limit" for record in records)
    name = "misses a limit, trained on recall at the most" if trained else "over a limit, not trained"
    marker = {"symbol": "line-ns", "size": 9, "line": {"color": OVER_COLOUR, "width": 1}}
    return _points(view, records, [ceiling] * len(records), name, marker)


def _trials(view: FrontView, records: Sequence[TrialRecord], name: str, *, hollow: bool) -> Scatter:
    marker = {"symbol": "circle-open" if hollow else "circle", "size": 7, "color": TRIAL_COLOUR, "opacity": 0.85}
    return _points(view, records, [record.bits_per_byte for record in records], name, marker)


def _front_points(view: FrontView) -> Scatter:
    marker = {"size": 10, "color": FRONT_COLOUR}
    return _points(view, view.front, [record.bits_per_byte for record in view.front], "front, as searched", marker)


def _points(
    view: FrontView,
    records: Sequence[TrialRecord],
    losses: Sequence[float | None],
    name: str,
    marker: dict[str, Any],
) -> Scatter:
    from plotly.graph_objects import Scatter

    return Scatter(
        x=[view.predicted(record) for record in records],
        y=losses,
        mode="markers",
        name=name,
        marker=marker,
        text=[_hover(view, record) for record in records],
        customdata=[record.number for record in records],
        hovertemplate="%{text}<extra></extra>",
        showlegend=bool(records),
    )


def _front_line(view: FrontView, ceiling: float) -> Scatter:
    """The edge of what is reached in this plane: a step down at each member that no other one dominates in it."""
    from plotly.graph_objects import Scatter

    plane = [(view.quantity.minimised(view.predicted(r)), r.bits_per_byte) for r in view.front if r.bits_per_byte]
    edge = [plane[index] for index in nondominated(plane)]
    xs = [view.quantity.minimised(x) for x, _ in edge]
    return Scatter(
        x=[*xs[:1], *xs],
        y=[ceiling, *(loss for _, loss in edge)] if edge else [],
        mode="lines",
        line={"shape": "hv", "color": FRONT_COLOUR, "width": 1.5},
        hoverinfo="skip",
        showlegend=False,
    )


def _confirmed(view: FrontView) -> list[Scatter]:
    """Confirmed points with their intervals, and a thin line to each from what was predicted."""
    from plotly.graph_objects import Scatter

    pairs = [(record, record.confirmed) for record in view.records if record.confirmed is not None]
    if not pairs:
        return []
    xs = [x for record, _ in pairs for x in (view.predicted(record), view.confirmed(record), None)]
    ys = [y for record, confirmed in pairs for y in (record.bits_per_byte, confirmed.bits_per_byte, None)]
    thin = {"color": CONFIRMED_COLOUR, "width": 1, "dash": "dot"}
    links = Scatter(x=xs, y=ys, mode="lines", line=thin, hoverinfo="skip", showlegend=False)
    points = Scatter(
        x=[view.confirmed(record) for record, _ in pairs],
        y=[confirmed.bits_per_byte for _, confirmed in pairs],
        error_x=_measured_bars(view, [record for record, _ in pairs]),
        error_y=_seed_bars([confirmed for _, confirmed in pairs]),
        mode="markers",
        name="front, confirmed",
        marker={"symbol": "diamond", "size": 9, "color": CONFIRMED_COLOUR},
        text=[_confirmed_hover(view, record, confirmed) for record, confirmed in pairs],
        customdata=[record.number for record, _ in pairs],
        hovertemplate="%{text}<extra></extra>",
    )
    return [links, points]


def _measured_bars(view: FrontView, records: Sequence[TrialRecord]) -> dict[str, Any]:
    """From one end of what is confirmed to the other; nothing where nothing was measured."""
    pairs = [(view.confirmed(record), view.ends(record)) for record in records]
    return _bars([high - value for value, (_, high) in pairs], [value - low for value, (low, _) in pairs])


def _seed_bars(confirmations: Sequence[Confirmation]) -> dict[str, Any]:
    """From the best seed to the worst."""
    above = [max(_losses(confirmed)) - confirmed.bits_per_byte for confirmed in confirmations]
    below = [confirmed.bits_per_byte - min(_losses(confirmed)) for confirmed in confirmations]
    return _bars(above, below)


def _bars(above: list[float], below: list[float]) -> dict[str, Any]:
    style = {"color": CONFIRMED_COLOUR, "thickness": 1.2, "width": 3}
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, **style}


def _losses(confirmed: Confirmation) -> list[float]:
    return [score.bits_per_byte for score in confirmed.scores]


def _hover(view: FrontView, record: TrialRecord) -> str:
    loss = "not trained" if record.bits_per_byte is None else f"{figures.bits(record.bits_per_byte)} bits per byte"
    return "<br>".join([
        f"<b>trial {record.number}</b>, {state_name(record)}{' (extrapolated)' * record.extrapolated}",
        _lines(record.architecture),
        f"{view.value(view.predicted(record))}{_predicted(view)}, {loss}",
        f"{figures.count(record.parameters)} parameters",
    ])  # fmt: skip


def _confirmed_hover(view: FrontView, record: TrialRecord, confirmed: Confirmation) -> str:
    measured = record.measured(view.quantity.name)
    source = _predicted(view) if measured is None else f" measured ({figures.measured_interval(measured)})"
    return "<br>".join([
        f"<b>trial {record.number}</b>, confirmed",
        _lines(record.architecture),
        f"{view.value(view.confirmed(record))}{source}",
        f"{figures.bits(confirmed.bits_per_byte)} bits per byte, mean of {len(confirmed.scores)} seeds",
    ])  # fmt: skip


def _lines(notation: str) -> str:
    """A notation in lines that fit on a phone."""
    return "<br>".join(map(escape, wrap(notation, HOVER_WIDTH, break_long_words=False)))


def _predicted(view: FrontView) -> str:
    """Parameters are counted, everything else is predicted."""
    return "" if view.quantity.workload is None else f" {figures.predicted(view.source)}"


def _ceiling(scored: Sequence[TrialRecord]) -> float:
    """A level just above all losses."""
    losses = [record.bits_per_byte for record in scored if record.bits_per_byte is not None]
    losses += [loss for record in scored if record.confirmed for loss in _losses(record.confirmed)]
    losses = losses or [1.0]
    return max(losses) + 0.08 * ((max(losses) - min(losses)) or 0.1)
