"""Predicted against confirmed: the same networks, twice, beside the line on which both would agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nas_search.results.axes import layout
from nas_search.results.plots import CONFIRMED_COLOUR, OVER_COLOUR

if TYPE_CHECKING:
    from plotly.graph_objects import Figure, Scatter

    from nas_search.results.view import RunView


class Pair(NamedTuple):
    """What a trial's figure was thought to be, what was found, and the interval of that."""

    number: int
    before: float
    after: float
    low: float
    high: float


def confirmed_figures(view: RunView) -> dict[str, Figure]:
    """Of the search's own latency, where it was measured, and of the loss; empty if nothing is confirmed."""
    unit = view.unit
    pairs = {"latency": list(_latencies(view)), "loss": list(_losses(view))}
    titles = {
        "latency": (f"predicted, {unit}", f"measured, {unit}"),
        "loss": ("searched, bits per byte", "confirmed, bits per byte"),
    }
    return {name: _figure(found, *titles[name]) for name, found in pairs.items() if found}


def _figure(pairs: Sequence[Pair], before: str, after: str) -> Figure:
    from plotly.graph_objects import Figure

    figure = Figure(_traces(pairs), layout(height=300))
    figure.update_layout(showlegend=False)
    figure.update_xaxes(title_text=before)
    figure.update_yaxes(title_text=after)
    return figure


def _latencies(view: RunView) -> Iterator[Pair]:
    for record in view.confirmed:
        found = record.measured(view.goals.main.name)
        if found is not None:
            yield Pair(record.number, record.latency_ms, found.value, found.low, found.high)


def _losses(view: RunView) -> Iterator[Pair]:
    for record in view.confirmed:
        if record.confirmed is not None and record.bits_per_byte is not None:
            seeds = [score.bits_per_byte for score in record.confirmed.scores]
            yield Pair(record.number, record.bits_per_byte, record.confirmed.bits_per_byte, min(seeds), max(seeds))


def _traces(pairs: Sequence[Pair]) -> list[Scatter]:
    from plotly.graph_objects import Scatter

    ends = [value for pair in pairs for value in pair[1:]]
    span = [min(ends), max(ends)]
    line = {"dash": "dot", "width": 1, "color": OVER_COLOUR}
    equal = Scatter(x=span, y=span, mode="lines", line=line, hoverinfo="skip")
    found = Scatter(
        x=[pair.before for pair in pairs],
        y=[pair.after for pair in pairs],
        error_y=_bars(pairs),
        mode="markers",
        marker={"symbol": "diamond", "size": 9, "color": CONFIRMED_COLOUR},
        customdata=[pair.number for pair in pairs],
        text=[f"<b>trial {pair.number}</b>" for pair in pairs],
        hovertemplate="%{text}<br>%{x:.4g} → %{y:.4g}<extra></extra>",
    )
    return [equal, found]


def _bars(pairs: Sequence[Pair]) -> dict[str, Any]:
    above = [pair.high - pair.after for pair in pairs]
    below = [pair.after - pair.low for pair in pairs]
    style = {"color": CONFIRMED_COLOUR, "thickness": 1.2, "width": 3}
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, **style}
