"""The page of a benchmark: how the hypervolume of every sampler grew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nas_search.results import figures
from nas_search.results.axes import GUIDE, layout, log_axis
from nas_search.results.html import element
from nas_search.results.page import page, picture
from nas_search.results.palette import line_colour, translucent

if TYPE_CHECKING:
    from plotly.graph_objects import Figure, Scatter

    from nas_search.search.bench.result import BenchResult
    from nas_search.search.bench.summary import Estimate

_DASHES = ("solid", "dash", "dot")
_BAND = 0.14
_LEVELS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.998)
# The axis ends here: what is found completely has no place on a log scale of what is missing.
_TOP = 0.999


def benchmark_html(result: BenchResult) -> str:
    """The page as text."""
    setting, reference = result.setting, result.reference
    facts = (
        f"{result.rows:,} rows, {result.front} of them on the front; {setting.loss} against {setting.latency}; "
        f"{result.n_seeds} seeds of {setting.trials} evaluations; simulated workers: {result.workers}"
    )
    caption = (
        "Mean over seeds of the hypervolume as a share of that of the table's true front, both up to "
        f"{figures.significant(reference['latency'])} ({setting.latency}) and {figures.significant(reference['loss'])} "
        f"({setting.loss}); bands are 95 % bootstrap intervals of the mean. Possible is what the best choice of so "
        "many rows has, which nobody can know beforehand."
    )
    drawn = picture(benchmark_figure(result.hypervolume, result.possible), "benchmark-figure", caption)
    heading = element("h1", f"Samplers on {result.table}")
    return page(f"nas-search: {result.table}", heading, element("p", facts), element("main", drawn))


def benchmark_figure(hypervolume: Mapping[str, Mapping[int, Estimate]], possible: Mapping[int, float]) -> Figure:
    """Normalised hypervolume against evaluations, one line and one band for each sampler, and what is possible.

    Both axes are logarithmic, the upright one in what is missing to 1, so that samplers differ where they are good.
    """
    from plotly.graph_objects import Figure

    figure = Figure(layout=layout(height=520))
    for index, (sampler, estimates) in enumerate(hypervolume.items()):
        figure.add_traces([_band(index, sampler, estimates), _line(index, sampler, estimates)])
    figure.add_trace(_bound(possible))
    evaluations = [float(budget) for budget in possible]
    figure.update_xaxes(title_text="evaluations (log scale)", **log_axis(evaluations))
    ends = [one for estimates in hypervolume.values() for each in estimates.values() for one in (each.low, each.high)]
    ends += possible.values()
    figure.update_yaxes(title_text="normalised hypervolume", **_upright(ends))
    return figure


def _upright(values: Sequence[float]) -> dict[str, Any]:
    """A log axis of what is missing, upside down, with the hypervolume at its ticks."""
    axis = log_axis([_missing(value) for value in values], falling=True)
    return axis | {"tickvals": [_missing(level) for level in _LEVELS], "ticktext": [f"{level:g}" for level in _LEVELS]}


def _missing(value: float) -> float:
    return 1 - min(value, _TOP)


def _line(index: int, sampler: str, estimates: Mapping[int, Estimate]) -> Scatter:
    from plotly.graph_objects import Scatter

    return Scatter(
        x=list(estimates),
        y=[_missing(estimate.mean) for estimate in estimates.values()],
        customdata=[(estimate.mean, estimate.low, estimate.high) for estimate in estimates.values()],
        mode="lines+markers",
        name=sampler,
        legendgroup=sampler,
        line={"color": line_colour(index), "width": 2, "dash": _DASHES[index % len(_DASHES)]},
        marker={"size": 5},
        hovertemplate="%{x}: %{customdata[0]:.4f} [%{customdata[1]:.4f}, %{customdata[2]:.4f}]",
    )


def _bound(possible: Mapping[int, float]) -> Scatter:
    from plotly.graph_objects import Scatter

    return Scatter(
        x=list(possible),
        y=[_missing(value) for value in possible.values()],
        customdata=list(possible.values()),
        mode="lines",
        name="possible",
        line=GUIDE,
        hovertemplate="%{x}: %{customdata:.4f}",
    )


def _band(index: int, sampler: str, estimates: Mapping[int, Estimate]) -> Scatter:
    """There along the upper ends of the intervals, and back along the lower ones."""
    from plotly.graph_objects import Scatter

    there = list(estimates)
    back = there[::-1]
    return Scatter(
        x=there + back,
        y=[_missing(estimates[one].high) for one in there] + [_missing(estimates[one].low) for one in back],
        mode="lines",
        fill="toself",
        fillcolor=translucent(line_colour(index), _BAND),
        line={"width": 0},
        legendgroup=sampler,
        showlegend=False,
        hoverinfo="skip",
    )
