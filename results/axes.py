"""Axes and layout that all figures of a report share."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10
from typing import Any

FONT = "system-ui, -apple-system, 'Segoe UI', sans-serif"
GUIDE = {"dash": "dot", "width": 1, "color": "#8C9AB2"}
"""A line that is no data: a target, a limit, a bound."""


def log_axis(values: Sequence[float], *, falling: bool = False) -> dict[str, Any]:
    """A log axis that shows all positive ``values``, with the largest on the left if ``falling``."""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = min(positive) / 1.06, max(positive) * 1.06
    ticks = log_ticks(low, high)
    ends = [log10(high), log10(low)] if falling else [log10(low), log10(high)]
    return {"type": "log", "range": ends, "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}


def log_ticks(low: float, high: float) -> list[float]:
    """Round values between ``low`` and ``high`` (both positive) for a log axis: three or more, at most about nine."""
    for digits in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), tuple(n / 10 for n in range(10, 100, 5))):
        decades = range(floor(log10(low)), floor(log10(high)) + 1)
        ticks = [digit * 10.0**decade for decade in decades for digit in digits]
        inside = [float(f"{tick:.3g}") for tick in ticks if low <= tick <= high]
        if len(inside) >= 4:
            return inside
    return [float(f"{low + (high - low) * step / 4:.3g}") for step in range(5)]


def layout(height: int) -> dict[str, Any]:
    """Without colours of text and grid: those are set by the page that shows a figure."""
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
