"""A comparison of runs as a page: fronts over each other, hypervolume against cost, and both as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas_search.results import figures
from nas_search.results.axes import layout, log_axis
from nas_search.results.compare_runs import COSTS, Run, RunComparison
from nas_search.results.html import Column, Html, element, join, table
from nas_search.results.page import page, picture
from nas_search.results.palette import line_colour
from nas_search.results.strip import html_strip
from nas_search.space.architecture import Architecture

if TYPE_CHECKING:
    from plotly.graph_objects import Figure, Scatter

    from nas_search.search.trial import TrialRecord


def comparison_html(comparison: RunComparison) -> str:
    """The page as text."""
    warnings = (element("p", f"Mind: {warning}.", class_="notice") for warning in comparison.warnings)
    sections = [_fronts(comparison), *([_progress(comparison)] if comparison.same_device else []), _tables(comparison)]
    title = "Runs compared: " + ", ".join(run.name for run in comparison.runs)
    header = element("header", element("p", "nas-search", class_="kicker"), element("h1", title), *warnings)
    return page(f"nas-search: {title}", header, element("main", *sections))


def fronts_figure(comparison: RunComparison) -> Figure:
    """Fronts as searched: the search's own latency (log) against bits per byte, one colour for each run.

    Without a common device a run's latencies are only comparable with each other, so each has its front and no line.
    """
    from plotly.graph_objects import Figure

    figure = Figure(layout=layout(height=460))
    for index, run in enumerate(comparison.runs):
        figure.add_trace(_front(index, run, lines=comparison.same_device))
    main = comparison.goals.main
    title = f"{figures.title(main)}, predicted (log scale)"
    axis = log_axis([record.latency_ms for run in comparison.runs for record in run.front])
    figure.update_xaxes(title_text=title if comparison.same_device else f"{title}, each on its device", **axis)
    figure.update_yaxes(title_text="bits per byte (lower is better)")
    return figure


def hypervolume_figure(comparison: RunComparison) -> Figure:
    """Hypervolume up to the common reference point against tokens and seconds; a line marks equal cost."""
    from plotly.graph_objects import Scatter
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=1, cols=len(COSTS), shared_yaxes=True, horizontal_spacing=0.05)
    figure.update_layout(layout(height=320))
    for column, cost in enumerate(COSTS, start=1):
        for index, run in enumerate(comparison.runs):
            steps = comparison.steps[run.name]
            line = {"color": line_colour(index), "width": 2, "shape": "hv"}
            xs, ys = [cost.of(step) for step in steps], [step.hypervolume for step in steps]
            shown = {"name": run.name, "legendgroup": run.name, "showlegend": column == 1}
            figure.add_trace(Scatter(x=xs, y=ys, mode="lines", line=line, **shown), row=1, col=column)
        figure.add_vline(x=comparison.equal_cost(cost), line={"dash": "dot", "width": 1}, row=1, col=column)
        figure.update_xaxes(title_text=cost.unit, rangemode="tozero", row=1, col=column)
    figure.update_yaxes(title_text="hypervolume", row=1, col=1)
    return figure


def _front(index: int, run: Run, *, lines: bool) -> Scatter:
    from plotly.graph_objects import Scatter

    colour = line_colour(index)
    return Scatter(
        x=[record.latency_ms for record in run.front],
        y=[record.bits_per_byte for record in run.front],
        mode="lines+markers" if lines and len(run.study.goals.objectives) == 2 else "markers",
        name=run.name,
        line={"shape": "hv", "width": 1.5, "color": colour},
        marker={"size": 9, "color": colour, "symbol": _SYMBOLS[index % len(_SYMBOLS)]},
        text=[f"<b>{run.name}, trial {record.number}</b>" for record in run.front],
        hovertemplate="%{text}<br>%{x:.4g}, %{y:.4f} bits per byte<extra></extra>",
    )


_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross")


def _fronts(comparison: RunComparison) -> Html:
    if not any(run.front for run in comparison.runs):
        return element("section", element("h2", "Fronts"), element("p", "No run has a trial on its front."))
    caption = "Members of each front as searched: predicted latency, and the loss of one seed at the top rung."
    drawn = picture(fronts_figure(comparison), "fronts-figure", caption)
    return element("section", element("h2", "Fronts"), drawn)


def _progress(comparison: RunComparison) -> Html:
    if not any(comparison.steps.values()):
        return Html("")
    caption = (
        f"Up to {reference_text(comparison)}, the worst of the runs' own reference points. The dotted line is at equal "
        "cost: all that the cheapest run has spent."
    )
    drawn = picture(hypervolume_figure(comparison), "hypervolume-figure", caption)
    return element("section", element("h2", "Hypervolume at equal cost"), drawn)


def reference_text(comparison: RunComparison) -> str:
    """The common reference point in the objectives' units."""
    corner = zip(comparison.goals.objectives, comparison.reference, strict=True)
    return ", ".join(f"{figures.significant(q.minimised(value))} {q.unit}" for q, value in corner)


def comparison_rows(comparison: RunComparison) -> tuple[list[str], list[list[str]]]:
    """Headings, and a row for each run."""
    heads = ["run", "trained", *(cost.unit for cost in COSTS), "front", "lowest bits per byte"]
    if comparison.same_device:
        heads += ["hypervolume", *(f"at {comparison.equal_cost(cost):,.0f} {cost.name}" for cost in COSTS)]
    return heads, [_row(comparison, run) for run in comparison.runs]


def _row(comparison: RunComparison, run: Run) -> list[str]:
    steps, lowest = comparison.steps[run.name], run.lowest_loss
    row = [
        run.name,
        f"{run.trained:,}",
        *(f"{cost.of(steps[-1]) if steps else 0:,.0f}" for cost in COSTS),
        f"{len(run.front):,}",
        figures.bits(lowest.bits_per_byte if lowest else None),
    ]
    if comparison.same_device:
        volumes = [comparison.at_end(run), *(comparison.at(run, cost) for cost in COSTS)]
        row += [figures.significant(volume) for volume in volumes]
    return row


def _tables(comparison: RunComparison) -> Html:
    heads, rows = comparison_rows(comparison)
    columns = [Column(head, numeric=index > 0) for index, head in enumerate(heads)]
    parts = [element("h2", "In figures"), table(columns, rows)]
    for run in comparison.runs:
        members = [_member(record) for record in run.front]
        names = [Column("trial", numeric=True), Column(comparison.goals.main.unit, numeric=True)]
        names += [Column("bits per byte", numeric=True), Column("operators")]
        parts += [element("h3", f"Front of {run.name}, {run.study.table.device.id}"), table(names, members)]
    return element("section", join(parts))


def _member(record: TrialRecord) -> list[str]:
    strip = html_strip(Architecture.parse(record.architecture).operators)
    made_of = join([strip, " ", element("code", record.architecture)])
    return [str(record.number), figures.latency(record.latency_ms), figures.bits(record.bits_per_byte), made_of]
