"""How a plan is printed."""

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from rich.table import Table

from nas_search.cli.console import stdout
from nas_search.cli.figures import number
from nas_search.results.figures import significant

if TYPE_CHECKING:
    from nas_search.search.planning.plan_result import PhasePlan, Plan, Spread, WorkersPlan

MINUTES_BELOW = 1.0
"""Hours; what is shorter is given in minutes."""


def print_plan(plan: "Plan") -> None:
    """What was planned, the hours by phase, the end of the search, other numbers of workers, and what is assumed."""
    console = stdout()
    tokens = " -> ".join(f"{count:,}" for count in plan.tokens)
    how = ", deterministic" if plan.deterministic else ""
    console.print(
        f"{plan.trials:,} trials by {plan.sampler} in the space {plan.space} on {plan.workers:,} workers{how}; rungs "
        f"of {tokens} tokens, done by {', '.join(number(count) for count in plan.on_rungs)} trials",
        markup=False,
    )
    measured = "predicted from recorded rates" if plan.rates_measured else "predicted from a rate that was given"
    console.print(f"{measured}; means of {plan.searches} simulated searches, least to most\n", markup=False)
    console.print(_phases(plan))
    for line in _notes(plan):
        console.print(line, markup=False)
    console.print("\nother numbers of workers", style="bold")
    console.print(_by_workers(plan))
    console.print("\nassumed", style="bold")
    for sentence in plan.assumptions:
        console.print(f"- {sentence}", markup=False)


def _phases(plan: "Plan") -> Table:
    unit, scale = _unit(plan.total.hours.mean)
    table = Table(box=None, pad_edge=False)
    table.add_column("phase")
    for name in (unit, "", f"worker-{unit}", f"worker-{unit} at jobs", "utilisation"):
        table.add_column(name, justify="right")
    for phase in (*plan.phases, plan.total):
        table.add_row(*_phase(phase, scale))
    return table


def _phase(phase: "PhasePlan", scale: float) -> Iterator[str]:
    yield phase.name
    yield _time(scale * phase.hours.mean)
    yield _times(scale, phase.hours)
    yield _time(scale * phase.worker_hours.mean)
    yield _time(scale * phase.busy_hours.mean)
    yield f"{phase.utilisation:.0%}"


def _notes(plan: "Plan") -> Iterator[str]:
    unit, scale = _unit(plan.total.hours.mean)
    yield (
        f"\nend of the search: {_spread(plan.tail_hours, scale)} {unit} after the last proposal, in which "
        f"{plan.tail_idle:.0%} of the workers' time is idle"
    )
    yield f"the driver proposes for {_time(scale * plan.driver_hours)} {unit}, while workers go on"


def _by_workers(plan: "Plan") -> Table:
    unit, scale = _unit(plan.total.hours.mean)
    table = Table(box=None, pad_edge=False)
    for name in ("workers", unit, f"worker-{unit}", "utilisation", "against the row above"):
        table.add_column(name, justify="right")
    gains = ["", *(_gain(one, other) for one, other in pairwise(plan.by_workers))]
    for row, gain in zip(plan.by_workers, gains, strict=True):
        table.add_row(
            f"{row.workers:,}",
            _time(scale * row.hours),
            _time(scale * row.worker_hours),
            f"{row.utilisation:.0%}",
            gain,
        )
    return table


def _gain(fewer: "WorkersPlan", more: "WorkersPlan") -> str:
    return f"{fewer.hours / more.hours:.2f}x as fast"


def _spread(spread: "Spread", scale: float) -> str:
    return f"{_time(scale * spread.mean)} ({_times(scale, spread)})"


def _unit(hours: float) -> tuple[str, float]:
    return ("minutes", 60.0) if hours < MINUTES_BELOW else ("hours", 1.0)


def _times(scale: float, spread: "Spread") -> str:
    ends = dict.fromkeys(_time(scale * end) for end in (spread.least, spread.most))
    return " to ".join(ends)


def _time(value: float) -> str:
    """Three digits: a plan is no measurement."""
    return significant(value, 3)
