"""The tables, in Markdown: ours beside the paper's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import log
from typing import Any, NamedTuple

from published import Published, read_published
from rows import StepRow

from nas_search.profiler.comparison import ComparedFigure, Comparison
from nas_search.profiler.measurement import Measurement
from nas_search.profiler.statistics import Median

# A ratio is reproduced if it is within a tenth of the paper's.
TOLERANCE = 1.1
PAPER_DEVICE = "h100"
MISSING = ""

JsonObject = dict[str, Any]
Row = list[str]


class Quantity(NamedTuple):
    """A workload by its place in a comparison, how its figures are told, and the paper's ratio of a baseline."""

    place: int
    unit: str
    divisor: float
    form: str
    papers: Callable[[Published, str], float]


LATENCY = Quantity(0, "s", 1e3, ".3f", Published.latency_ratio)
THROUGHPUT = Quantity(1, "tokens/s", 1.0, ",.0f", Published.throughput_ratio)
MEMORY_PLACE = 2


def tables(document: JsonObject) -> str:
    """All tables of a record, and what is to be said about them."""
    paper, workloads, figures = read_published(), document["workloads"], document["figures"]
    found = {name: Comparison.model_validate(row) for name, row in figures.get("models", {}).items()}
    steps = {
        name: [StepRow.model_validate(step) for step in row["rows"]]
        for name, row in figures.get("transformers", {}).items()
    }
    judged = document["scale"] == 1 and document["device"]["name"] == PAPER_DEVICE
    parts = [
        f"## Latency: {workloads['latency']}",
        markdown(ratio_rows(paper, found, LATENCY, judged=judged)),
        f"## Throughput: {workloads['throughput']}",
        markdown(ratio_rows(paper, found, THROUGHPUT, judged=judged)),
        f"## Size, and memory in use at most: {workloads['memory']}",
        markdown(size_rows(paper, found)),
        f"## One step, against transformers with a static cache, {'compiled' if document['compiled'] else 'eager'}",
        markdown(step_rows(steps)),
        *notes(document, paper, found),
    ]
    return "\n\n".join(parts) + "\n"


def ratio_rows(paper: Published, found: dict[str, Comparison], quantity: Quantity, *, judged: bool) -> Iterator[Row]:
    """Each baseline, its hybrid in the same run, and how many times better the hybrid is."""
    figure = [f"{quantity.unit} [95 %]", "n", "batch", "of its ceiling"]
    yield [
        "baseline",
        *figure,
        f"its hybrid's {figure[0]}",
        *figure[1:],
        "hybrid better by [95 %]",
        "paper",
        *["reproduced"] * judged,
    ]
    for name, comparison in found.items():
        baseline, hybrid = comparison.workloads[quantity.place].figures
        ratio = hybrid.ratio and Median(hybrid.ratio.value, hybrid.ratio.low, hybrid.ratio.high)
        papers = quantity.papers(paper, name)
        yield [
            name,
            *cells(baseline, quantity),
            *cells(hybrid, quantity),
            show(ratio, ".2f") if ratio else MISSING,
            f"{papers:.2f}",
            *[verdict(ratio.value, papers) if ratio else MISSING] * judged,
        ]


def size_rows(paper: Published, found: dict[str, Comparison]) -> Iterator[Row]:
    """Parameters and peak memory of every network, hybrids as in the last comparison that they are in."""
    yield ["model", "parameters", "MiB"]
    sizes: dict[str, Row] = {}
    for name, comparison in found.items():
        figures = comparison.workloads[MEMORY_PLACE].figures
        both = zip((name, paper.baselines[name].against), comparison.architectures, figures, strict=True)
        for model, architecture, memory in both:
            mib = f"{memory.outcome.value:,.0f}" if isinstance(memory.outcome, Measurement) else MISSING
            sizes[model] = [model, f"{architecture.parameters:,}", mib]
    yield from sizes.values()


def step_rows(steps: dict[str, list[StepRow]]) -> Iterator[Row]:
    """Ours, theirs, and theirs over ours."""
    yield ["model", "context", "n", "ours ms [95 %]", "transformers ms [95 %]", "transformers / ours [95 %]"]
    for name, rows in steps.items():
        for row in rows:
            times = (show(row.ours, ".3f"), show(row.theirs, ".3f"), show(row.theirs_over_ours, ".2f"))
            yield [name, str(row.context), str(row.n), *times]


def notes(document: JsonObject, paper: Published, found: dict[str, Comparison]) -> Iterator[str]:
    """What the figures are, and what is missing."""
    yield f"{document['description']}, {document['dtype']}. Paper: {paper.source} ({paper.settings})."
    rates = document["figures"].get("device", {}).get("rates")
    if rates:
        yield (
            f"Ceilings: {rates['bandwidth_bytes_per_s'] / 1e9:,.4g} GB/s and {rates['flops_per_s'] / 1e12:,.4g} "
            f"TFLOP/s, {rates['origin']} ({rates['source']}). What fits into a cache may reach more than 100 %."
        )
    if document["scale"] != 1:
        yield (
            f"Shapes and contexts are 1/{document['scale']} of the published ones: not the paper's question, only the "
            "same comparison in small."
        )
    figures = [figure for each in found.values() for workload in each.workloads for figure in workload.figures]
    if any(isinstance(figure.outcome, Measurement) and figure.outcome.busy for figure in figures):
        yield "Others used the device meanwhile; on a processor such figures are CPU time, not what a user waits for."
    for name, comparison in found.items():
        for failure in comparison.failures:
            yield f"{name}, or its hybrid: {failure.reason}."


def verdict(ours: float, papers: float) -> str:
    """Whether a ratio is within a tenth of the paper's, and on which side if it is not."""
    if abs(log(ours / papers)) <= log(TOLERANCE):
        return "yes"
    return "no, ours is smaller" if ours < papers else "no, ours is larger"


def cells(figure: ComparedFigure, quantity: Quantity) -> Row:
    """The figure with its interval, n, its batch, and how near it is to what the rates of the device allow."""
    outcome = figure.outcome
    if not isinstance(outcome, Measurement):
        return [MISSING] * 4
    told = Median(*(x / quantity.divisor for x in (outcome.value, outcome.low, outcome.high)))
    reached = MISSING if figure.reached is None else f"{figure.reached:.0%}"
    return [show(told, quantity.form), str(outcome.n), str(outcome.batch), reached]


def show(median: Median, form: str) -> str:
    """``1.90 [1.88, 1.91]``."""
    value, low, high = (format(x, form) for x in median)
    return f"{value} [{low}, {high}]"


def markdown(rows: Iterable[Row]) -> str:
    """A table whose first row is its head."""
    head, *body = rows
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *body))
