"""Plotly figures of a study: the front over all trials, and how the hypervolume grew.

Colours are mid-tones that read on white and on black; text and grid colours are set by the page that shows a figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import floor, log10
from typing import TYPE_CHECKING, Any, NamedTuple

from nas_search.results import figures

if TYPE_CHECKING:
    from plotly.graph_objects import Figure, Scatter

    from nas_search.results.progress import Step
    from nas_search.search.trial import Confirmation, TrialRecord

FRONT_COLOUR, TRIAL_COLOUR, TOO_SLOW_COLOUR, CONFIRMED_COLOUR = "#2F6DB5", "#8C9AB2", "#A9A9A9", "#D1550B"
FONT = "system-ui, -apple-system, 'Segoe UI', sans-serif"


class FrontView(NamedTuple):
    """What the picture of a front shows; ``unit`` is that of the workload, ``ms`` or ``ms/token``."""

    records: Sequence[TrialRecord]
    front: Sequence[TrialRecord]
    unit: str
    budget_ms: float | None = None


def front_figure(view: FrontView) -> Figure:
    """Latency (log) against bits per byte of all trials, with the front and its confirmed members."""
    from plotly.graph_objects import Figure

    figure = Figure(layout=_layout(height=460))
    members = {record.number for record in view.front}
    scored = [record for record in view.records if record.bits_per_byte is not None and record.state != "duplicate"]
    others = [record for record in scored if record.number not in members]
    ceiling = _ceiling(scored)
    too_slow = [record for record in view.records if record.state == "too_slow"]
    figure.add_traces([
        _too_slow(too_slow, ceiling, view.unit),
        _trials([record for record in others if record.extrapolated], "stopped, extrapolated", view.unit, hollow=True),
        _trials([record for record in others if not record.extrapolated], "complete", view.unit, hollow=False),
        _front_line(view.front, ceiling),
        _front_points(view.front, view.unit),
        *_confirmed([record for record in view.records if record.confirmed], view.unit),
    ])  # fmt: skip
    if view.budget_ms is not None:
        figure.add_vline(x=view.budget_ms, line={"dash": "dot", "width": 1, "color": TOO_SLOW_COLOUR})
        figure.add_annotation(
            x=log10(view.budget_ms), y=1, yref="paper", text="budget", showarrow=False, xanchor="right", yanchor="top"
        )
    figure.update_xaxes(title_text=f"latency, {view.unit} (log scale)", **_log_axis(_latencies(view, too_slow)))
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
    figure.update_layout(_layout(height=260), showlegend=False)
    figure.update_yaxes(title_text="hypervolume", row=1, col=1)
    return figure


def figure_html(figure: Figure, identifier: str) -> str:
    """A ``div`` and the script that draws the figure into it; plotly.js must be on the page already."""
    from plotly.io import to_html

    config = {"displaylogo": False, "responsive": True, "displayModeBar": False}
    return str(to_html(figure, config=config, include_plotlyjs=False, full_html=False, div_id=identifier))


def log_ticks(low: float, high: float) -> list[float]:
    """Round values between ``low`` and ``high`` (both positive) for a log axis: three or more, at most about nine."""
    for digits in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), tuple(n / 10 for n in range(10, 100, 5))):
        decades = range(floor(log10(low)), floor(log10(high)) + 1)
        ticks = [digit * 10.0**decade for decade in decades for digit in digits]
        inside = [float(f"{tick:.3g}") for tick in ticks if low <= tick <= high]
        if len(inside) >= 4:
            return inside
    return [float(f"{low + (high - low) * step / 4:.3g}") for step in range(5)]


def _too_slow(records: Sequence[TrialRecord], ceiling: float, unit: str) -> Scatter:
    """Ticks along the top: these have a latency, but were never trained."""
    marker = {"symbol": "line-ns", "size": 9, "line": {"color": TOO_SLOW_COLOUR, "width": 1}}
    return _points(records, [ceiling] * len(records), "too slow, not trained", unit, marker)


def _trials(records: Sequence[TrialRecord], name: str, unit: str, *, hollow: bool) -> Scatter:
    marker = {"symbol": "circle-open" if hollow else "circle", "size": 7, "color": TRIAL_COLOUR, "opacity": 0.85}
    return _points(records, [record.bits_per_byte for record in records], name, unit, marker)


def _front_points(front: Sequence[TrialRecord], unit: str) -> Scatter:
    marker = {"size": 10, "color": FRONT_COLOUR}
    return _points(front, [record.bits_per_byte for record in front], "front, as searched", unit, marker)


def _points(
    records: Sequence[TrialRecord], losses: Sequence[float | None], name: str, unit: str, marker: dict[str, Any]
) -> Scatter:
    from plotly.graph_objects import Scatter

    return Scatter(
        x=[record.latency_ms for record in records],
        y=losses,
        mode="markers",
        name=name,
        marker=marker,
        text=[_hover(record, unit) for record in records],
        hovertemplate="%{text}<extra></extra>",
        showlegend=bool(records),
    )


def _front_line(front: Sequence[TrialRecord], ceiling: float) -> Scatter:
    """The edge of what is reached: a step down at each member."""
    from plotly.graph_objects import Scatter

    members = sorted(front, key=lambda record: record.latency_ms)
    return Scatter(
        x=[members[0].latency_ms, *(record.latency_ms for record in members)] if members else [],
        y=[ceiling, *(record.bits_per_byte for record in members)] if members else [],
        mode="lines",
        line={"shape": "hv", "color": FRONT_COLOUR, "width": 1.5},
        hoverinfo="skip",
        showlegend=False,
    )


def _confirmed(records: Sequence[TrialRecord], unit: str) -> list[Scatter]:
    """Confirmed points with their intervals, and a thin line to each from what was predicted."""
    from plotly.graph_objects import Scatter

    pairs = [(record, record.confirmed) for record in records if record.confirmed is not None]
    if not pairs:
        return []
    xs = [x for record, confirmed in pairs for x in (record.latency_ms, confirmed.latency.latency_ms, None)]
    ys = [y for record, confirmed in pairs for y in (record.bits_per_byte, confirmed.bits_per_byte, None)]
    thin = {"color": CONFIRMED_COLOUR, "width": 1, "dash": "dot"}
    links = Scatter(x=xs, y=ys, mode="lines", line=thin, hoverinfo="skip", showlegend=False)
    confirmations = [confirmed for _, confirmed in pairs]
    points = Scatter(
        x=[confirmed.latency.latency_ms for confirmed in confirmations],
        y=[confirmed.bits_per_byte for confirmed in confirmations],
        error_x=_latency_bars(confirmations),
        error_y=_seed_bars(confirmations),
        mode="markers",
        name="front, confirmed",
        marker={"symbol": "diamond", "size": 9, "color": CONFIRMED_COLOUR},
        text=[_confirmed_hover(record, confirmed, unit) for record, confirmed in pairs],
        hovertemplate="%{text}<extra></extra>",
    )
    return [links, points]


def _latency_bars(confirmations: Sequence[Confirmation]) -> dict[str, Any]:
    """The 95 % interval of the median."""
    latencies = [confirmed.latency for confirmed in confirmations]
    above = [latency.high_ms - latency.latency_ms for latency in latencies]
    below = [latency.latency_ms - latency.low_ms for latency in latencies]
    return _bars(above, below)


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


def _hover(record: TrialRecord, unit: str) -> str:
    loss = "not trained" if record.bits_per_byte is None else f"{figures.bits(record.bits_per_byte)} bits per byte"
    return "<br>".join([
        f"<b>trial {record.number}</b>, {record.state.replace('_', ' ')}{' (extrapolated)' * record.extrapolated}",
        escape(record.architecture),
        f"{figures.latency(record.latency_ms)} {unit} predicted, {loss}",
        f"{figures.count(record.parameters)} parameters",
    ])  # fmt: skip


def _confirmed_hover(record: TrialRecord, confirmed: Confirmation, unit: str) -> str:
    latency = confirmed.latency
    return "<br>".join([
        f"<b>trial {record.number}</b>, confirmed",
        escape(record.architecture),
        f"{figures.latency(latency.latency_ms)} {unit} measured "
        f"({figures.interval(latency.low_ms, latency.high_ms)}, n = {latency.n})",
        f"{figures.bits(confirmed.bits_per_byte)} bits per byte, mean of {len(confirmed.scores)} seeds",
    ])  # fmt: skip


def _ceiling(scored: Sequence[TrialRecord]) -> float:
    """A level just above all losses."""
    losses = [record.bits_per_byte for record in scored if record.bits_per_byte is not None]
    losses += [loss for record in scored if record.confirmed for loss in _losses(record.confirmed)]
    losses = losses or [1.0]
    return max(losses) + 0.08 * ((max(losses) - min(losses)) or 0.1)


def _latencies(view: FrontView, too_slow: Sequence[TrialRecord]) -> list[float]:
    """What the latency axis must show: all that was trained, and the bulk of what was too slow."""
    slow = sorted(record.latency_ms for record in too_slow)
    confirmed = [record.confirmed.latency.high_ms for record in view.records if record.confirmed]
    trained = [record.latency_ms for record in view.records if record.state != "too_slow"]
    return [*trained, *confirmed, *slow[: 1 + len(slow) * 9 // 10]] or [1.0]


def _log_axis(values: Sequence[float]) -> dict[str, Any]:
    low, high = min(values) / 1.06, max(values) * 1.06
    ticks = log_ticks(low, high)
    labels = [f"{tick:g}" for tick in ticks]
    return {"type": "log", "range": [log10(low), log10(high)], "tickvals": ticks, "ticktext": labels}


def _layout(height: int) -> dict[str, Any]:
    axis = {"showline": False, "zeroline": False, "ticks": "", "automargin": True, "fixedrange": True}
    return {
        "template": "none",
        "height": height,
        "autosize": True,
        "margin": {"l": 56, "r": 16, "t": 12, "b": 48},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 13},
        "hoverlabel": {"align": "left", "bgcolor": "#1B1E24", "bordercolor": "#1B1E24"},
        "hovermode": "closest",
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"},
        "xaxis": axis,
        "yaxis": axis,
    }
