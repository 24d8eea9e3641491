"""How scaling laws and choices by them are printed."""

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from nas_search.cli.console import stdout
from nas_search.cli.figures import interval, number

if TYPE_CHECKING:
    from nas_search.proxies.scaling_law import Coefficient, Factor, Observed, ScalingLaw
    from nas_search.search.depth_width import Candidate, Choice

_CHOSEN, _OUTSIDE = "*", "~"
_INTERVAL = "95 % interval"
_LETTERS: "dict[Factor, str]" = {"depth": "D", "width": "W", "tokens": "N"}


def print_law(law: "ScalingLaw") -> None:
    """The terms with their intervals, and the errors."""
    console = stdout()
    first, *others = law_facts(law)
    console.print(first, style="bold", markup=False)
    console.print(_terms(law))
    for fact in others:
        console.print(fact, markup=False)


def law_facts(law: "ScalingLaw") -> list[str]:
    """What was fitted, on what, and how far it is from the data and from what was held out: a line each."""
    ranges = (_range(factor, found) for factor, found in law.observed.items() if factor not in law.dropped)
    lines = [f"{law.rows} losses ({law.loss}) of {law.source}: {', '.join(ranges)}"]
    lines += [
        f"no term of {factor}: {_whole(law.observed[factor].mean)} in every row, so what it adds is part of L0"
        for factor in law.dropped
    ]
    lines.append(f"intervals: 95 %, by {law.resampling}")
    lines += [f"{name}: not known on one side, its interval ends at the bound of the fit" for name in law.unbounded]
    lines.append(f"error on these rows: {law.error}")
    for held in law.held_out:
        found = (
            f"not possible, the other {held.fitted} rows cannot tell the terms apart"
            if held.error is None
            else f"{held.error}, fitted on {held.fitted}"
        )
        without = (
            "" if held.nearest is None else f"; without a law, as the nearest of these: mean {held.nearest.mean:.1%}"
        )
        lines.append(f"{held.rule}, held out: {found}{without}")
    return lines


def print_choice(choice: "Choice", law: "ScalingLaw") -> None:
    """All candidates by depth, and the chosen one."""
    console = stdout()
    for fact in choice_facts(choice, law):
        console.print(fact, markup=False)
    console.print(_candidates(choice))
    winner = choice.winner
    console.print(f"chosen: {winner.architecture}", style="bold", markup=False)
    for line in _captions(choice):
        console.print(line, style="dim", markup=False)


def choice_facts(choice: "Choice", law: "ScalingLaw") -> list[str]:
    """The question, the law with its error on what was held out, and the answer: a line each."""
    winner = choice.winner
    errors = [f"{held.rule}: {held.error}" for held in law.held_out if held.error is not None]
    return [
        f"{choice.device}, {choice.workload}, at most {number(choice.budget)} {choice.unit}",
        f"law of {law.source} ({law.rows} losses); error held out: {'; '.join(errors) or 'not known'}",
        f"chosen: depth {winner.depth}, width {winner.width}, {winner.parameters:,} parameters, {law.loss} "
        f"{winner.loss:.4f} predicted after {_whole(choice.tokens)} tokens",
    ]


def _terms(law: "ScalingLaw") -> Table:
    """L0, then a row for each factor."""
    from nas_search.proxies.scaling_law import FLOOR, SYMBOLS

    table = _table("term", "coefficient", _INTERVAL, "exponent", _INTERVAL, "adds", _INTERVAL, "where")
    adds = law.contributions()
    table.add_row(FLOOR, *_cells(law.coefficients[FLOOR]), "", "", *_cells(adds[FLOOR]), "everywhere")
    for factor in law.factors:
        name, exponent = SYMBOLS[factor]
        table.add_row(
            f"{name} {_LETTERS[factor]}^-{exponent}",
            *_cells(law.coefficients[name]),
            *_cells(law.coefficients[exponent]),
            *_cells(adds[name]),
            f"at {factor} {_whole(law.observed[factor].mean)}",
        )
    return table


def _cells(found: "Coefficient") -> tuple[str, str]:
    """Coefficients span many decades."""
    return f"{found.value:.4g}", f"{found.low:.4g} to {found.high:.4g}"


def _table(*headers: str) -> Table:
    return Table(*headers, box=None, pad_edge=False)


def _candidates(choice: "Choice") -> Table:
    headers = ("", "repeats", "depth", "width", "parameters", choice.loss, _INTERVAL)
    table = _table(*headers, choice.unit, _INTERVAL, "n", "source", "best in")
    for index, candidate in enumerate(choice.candidates):
        mark = _CHOSEN * (index == choice.chosen) + _OUTSIDE * candidate.extrapolated
        style = "bold" if index == choice.chosen else None if candidate.within else "dim"
        table.add_row(
            mark,
            f"{candidate.repeats}",
            f"{candidate.depth}",
            f"{candidate.width}",
            f"{candidate.parameters:,}",
            f"{candidate.loss:.4f}",
            f"{candidate.loss_low:.4f} to {candidate.loss_high:.4f}",
            *_latency_cells(candidate),
            f"{candidate.best_share:.0%}" if candidate.within else "over the budget" * (candidate.latency is not None),
            style=style,
        )
    return table


def _latency_cells(candidate: "Candidate") -> list[str | Text]:
    """Figure, interval, n and source."""
    latency = candidate.latency
    if latency is None:
        return [Text("failed", style="red"), "", "", candidate.reason or ""]
    measured = latency.measured
    if measured is None:
        return [number(latency.value), "", "", latency.source]
    source = f"{latency.source}{', busy' * measured.busy}"
    return [number(latency.value), interval(measured.low, measured.high), f"{measured.n}", source]


def _captions(choice: "Choice") -> list[str]:
    lines = ["best in: the share of the law's resamples by which no other candidate within the budget has a lower loss"]
    if any(candidate.extrapolated for candidate in choice.candidates):
        lines.append(f"{_OUTSIDE} outside of the law's data")
    return lines


def _range(factor: "Factor", found: "Observed") -> str:
    values = found.values
    return f"{factor} {_whole(values[0])} to {_whole(values[-1])} ({len(values)} values)"


def _whole(value: float) -> str:
    """Whole where it is, or large."""
    return f"{value:,.0f}" if value == round(value) or value >= 1000 else f"{value:.4g}"
