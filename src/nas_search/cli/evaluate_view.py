"""How the scores of an evaluation are printed."""

from typing import TYPE_CHECKING

from rich.table import Table

from nas_search.cli.console import stderr, stdout
from nas_search.results.figures import significant

if TYPE_CHECKING:
    from nas_search.results.evaluation.record import Evaluation, Score

_BETTER = {True: "higher", False: "lower", None: ""}


def print_evaluation(evaluation: "Evaluation") -> None:
    """Whose weights they are, a row for each metric, and what to know of them."""
    console = stdout()
    console.print(evaluation.architecture, style="bold", markup=False)
    versions = ", ".join(f"{name} {number}" for name, number in evaluation.versions.items())
    console.print(
        f"{evaluation.origin}, weights {evaluation.weights_hash}, {evaluation.parameters:,} parameters, "
        f"{evaluation.tokenizer}",
        markup=False,
    )
    console.print(f"{versions}; {evaluation.device}", markup=False)
    table = Table("task", "version", "shots", "n", "metric", "better", "value", "stderr", box=None, pad_edge=False)
    for score in evaluation.scores:
        table.add_row(*_row(score))
    console.print(table, markup=False)
    for note in evaluation.notes:
        stderr().print(note, markup=False)


def _row(score: "Score") -> list[str]:
    metric = score.metric if score.filter == "none" else f"{score.metric} ({score.filter})"
    value = "not finite" if score.value is None else _number(score.value)
    spread = "" if score.stderr is None else _number(score.stderr)
    counts = (f"{score.shots}", f"{score.n:,}")
    return [score.task, score.version, *counts, metric, _BETTER[score.higher_is_better], value, spread]


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 10_000 else significant(value)
