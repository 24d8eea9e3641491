"""``nas-search compare-runs``: several runs held against each other."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas_search.cli.console import Json, print_json, stderr, stdout

if TYPE_CHECKING:
    from nas_search.results.compare_runs import Run, RunComparison


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("compare-runs")(compare_runs)


def compare_runs(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run directories, finished or not.")],
    html: Annotated[Path | None, typer.Option(help="Also write the fronts over each other as a page here.")] = None,
    json: Json = False,
) -> None:
    """Hold the fronts of several runs against each other, and their hypervolumes at equal cost.

    Runs must have the same objectives, text and training. If their devices differ only losses compare.
    """
    from nas_search.results.compare_runs import Run, RunComparison
    from nas_search.search.study import Study

    comparison = RunComparison.of([Run(str(path), Study.open(path)) for path in runs])
    for warning in comparison.warnings:
        stderr().print(f"mind: {warning}", markup=False)
    if html is not None:
        _write(html, comparison)
    if json:
        print_json(_document(comparison))
    else:
        _print(comparison)


def _print(comparison: "RunComparison") -> None:
    from rich import box
    from rich.table import Table

    from nas_search.results.compare_runs_page import comparison_rows, reference_text

    heads, rows = comparison_rows(comparison)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", caption_justify="left")
    for index, head in enumerate(heads):
        table.add_column(head, justify="right" if index else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    if comparison.same_device:
        table.caption = f"Hypervolumes go up to {reference_text(comparison)}."
    stdout().print(table)


def _write(path: Path, comparison: "RunComparison") -> None:
    from nas_search.errors import InputError
    from nas_search.files import write_text_atomic
    from nas_search.results.compare_runs_page import comparison_html

    try:
        write_text_atomic(path, comparison_html(comparison))
    except OSError as error:
        raise InputError(f"--html {path}: cannot be written: {error.strerror or error}") from None


def _document(comparison: "RunComparison") -> dict[str, Any]:
    """Hypervolumes are None where devices differ."""
    from nas_search.results.compare_runs import COSTS

    goals = comparison.goals
    return {
        "objectives": [{"name": quantity.name, "unit": quantity.unit} for quantity in goals.objectives],
        "reference": [q.minimised(value) for q, value in zip(goals.objectives, comparison.reference, strict=True)],
        "same_device": comparison.same_device,
        "equal_cost": {cost.name: comparison.equal_cost(cost) for cost in COSTS},
        "warnings": list(comparison.warnings),
        "runs": [_run(comparison, run) for run in comparison.runs],
    }


def _run(comparison: "RunComparison", run: "Run") -> dict[str, Any]:
    from nas_search.results.compare_runs import COSTS

    steps, lowest = comparison.steps[run.name], run.lowest_loss
    compares = comparison.same_device
    return {
        "run": run.name,
        "device": run.study.table.device.id,
        "trained": run.trained,
        "cost": {cost.name: cost.of(steps[-1]) if steps else 0.0 for cost in COSTS},
        "lowest_bits_per_byte": lowest.bits_per_byte if lowest else None,
        "hypervolume": comparison.at_end(run) if compares else None,
        "hypervolume_at_equal_cost": {cost.name: comparison.at(run, cost) for cost in COSTS} if compares else None,
        "front": [record.model_dump(mode="json", exclude_none=True) for record in run.front],
    }
