"""Pictures of a scaling law, a line for each depth: what it says against width or latency, and what it came from."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nas_search.results import figures
from nas_search.results.axes import GUIDE, layout, log_axis
from nas_search.results.palette import line_colour

if TYPE_CHECKING:
    from plotly.graph_objects import Figure, Scatter

    from nas_search.proxies.law_points import LawPoints
    from nas_search.proxies.scaling_law import ScalingLaw, Vector
    from nas_search.search.depth_width import Candidate, Choice

CURVE_POINTS = 60
_HEIGHT = 480
_CHOSEN_COLOUR = "#D1550B"


class _Depth(NamedTuple):
    """The colour of a depth, the same for its points and its line."""

    value: float
    colour: str


def law_figure(law: ScalingLaw, points: LawPoints) -> Figure:
    """Losses of ``points``, which have one number of tokens, and the law's for the same networks.

    Against the latency, with a line through the law's losses of each depth, if the points have latencies; else against
    the width, where the law is a curve.
    """
    from plotly.graph_objects import Figure

    latencies = points.latency_ms
    figure = Figure(layout=layout(_HEIGHT))
    x = points.width if latencies is None else latencies
    for depth in _depths(points.depth):
        rows = points.depth == depth.value
        curve = _curve(law, points, depth) if latencies is None else _through(law, points.take(rows))
        figure.add_traces([_line(depth, *curve), _observed(depth, x[rows], points.loss[rows])])
    title = "width" if latencies is None else "latency, ms"
    figure.update_xaxes(title_text=f"{title} (log scale)", **log_axis(list(x)))
    figure.update_yaxes(title_text=f"{law.loss} (lower is better)")
    return figure


def choice_figure(choice: Choice) -> Figure:
    """Predicted losses against latency, a line through the widths of each depth, the budget and what was chosen."""
    from plotly.graph_objects import Figure, Scatter

    figure = Figure(layout=layout(_HEIGHT))
    timed = [candidate for candidate in choice.candidates if candidate.latency is not None]
    for depth in _depths([candidate.depth for candidate in timed]):
        members = [candidate for candidate in timed if candidate.depth == depth.value]
        figure.add_trace(_members(depth, members, choice))
    winner = choice.winner
    marker = {"symbol": "star", "size": 15, "color": _CHOSEN_COLOUR}
    figure.add_trace(
        Scatter(x=[_ms(winner)], y=[winner.loss], mode="markers", name="chosen", marker=marker, hoverinfo="skip")
    )
    figure.add_vline(x=choice.budget, line=GUIDE)
    figure.add_annotation(
        x=log10(choice.budget), y=1, yref="paper", text="budget", showarrow=False, xanchor="right", yanchor="top"
    )
    sources = ", ".join(dict.fromkeys(candidate.latency.source for candidate in timed if candidate.latency))
    title = f"{choice.workload}, {choice.unit}, {sources} (log scale)"
    figure.update_xaxes(title_text=title, **log_axis([*map(_ms, timed), choice.budget]))
    figure.update_yaxes(title_text=f"{choice.loss}, predicted by the law (lower is better)")
    return figure


def _depths(values: Sequence[float] | Vector) -> list[_Depth]:
    return [_Depth(float(value), line_colour(index)) for index, value in enumerate(np.unique(values))]


def _curve(law: ScalingLaw, points: LawPoints, depth: _Depth) -> tuple[Vector, Vector]:
    """Over all widths of the points."""
    width = np.geomspace(points.width.min(), points.width.max(), CURVE_POINTS)
    return width, law.predict(np.full_like(width, depth.value), width, np.full_like(width, points.tokens[0]))


def _through(law: ScalingLaw, points: LawPoints) -> tuple[Vector, Vector]:
    """At each width, the median latency there."""
    assert points.latency_ms is not None
    width = np.unique(points.width)
    latency = np.array([np.median(points.latency_ms[points.width == each]) for each in width])
    loss = law.predict(np.full_like(width, points.depth[0]), width, np.full_like(width, points.tokens[0]))
    return latency, loss


def _line(depth: _Depth, x: Vector, y: Vector) -> Scatter:
    from plotly.graph_objects import Scatter

    name = f"depth {depth.value:g}"
    line = {"color": depth.colour, "width": 1.5}
    return Scatter(x=list(x), y=list(y), mode="lines", name=name, legendgroup=name, line=line, hoverinfo="skip")


def _observed(depth: _Depth, x: Vector, y: Vector) -> Scatter:
    from plotly.graph_objects import Scatter

    name = f"depth {depth.value:g}"
    return Scatter(
        x=list(x),
        y=list(y),
        mode="markers",
        name=name,
        legendgroup=name,
        showlegend=False,
        marker={"size": 7, "color": depth.colour, "opacity": 0.85},
        hovertemplate=f"{name}<br>%{{x:.4g}}: %{{y:.4f}}<extra></extra>",
    )


def _members(depth: _Depth, members: Sequence[Candidate], choice: Choice) -> Scatter:
    from plotly.graph_objects import Scatter

    error: dict[str, Any] = {
        "type": "data",
        "symmetric": False,
        "array": [max(0.0, member.loss_high - member.loss) for member in members],
        "arrayminus": [max(0.0, member.loss - member.loss_low) for member in members],
        "thickness": 1,
        "width": 2,
    }
    return Scatter(
        x=list(map(_ms, members)),
        y=[member.loss for member in members],
        error_y=error,
        mode="lines+markers",
        name=f"depth {depth.value:g}",
        line={"color": depth.colour, "width": 1.5},
        marker={"size": 7, "symbol": ["circle-open" if member.extrapolated else "circle" for member in members]},
        text=[_hover(member, choice) for member in members],
        hovertemplate="%{text}<extra></extra>",
    )


def _hover(member: Candidate, choice: Choice) -> str:
    source = member.latency.source if member.latency else ""
    return "<br>".join([
        f"<b>depth {member.depth}, width {member.width}</b>, {figures.count(member.parameters)} parameters",
        f"{figures.significant(_ms(member))} {choice.unit} ({source})",
        f"{member.loss:.4f} predicted, {figures.interval(member.loss_low, member.loss_high)}",
    ])  # fmt: skip


def _ms(candidate: Candidate) -> float:
    return candidate.latency.value if candidate.latency else float("nan")
