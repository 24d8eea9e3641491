"""How benchmarks are printed."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from nas_search.cli.console import stdout
from nas_search.cli.figures import number

if TYPE_CHECKING:
    from nas_search.search.bench.result import BenchResult
    from nas_search.search.bench.summary import Estimate


def print_benchmark(result: "BenchResult") -> None:
    """What was replayed; hypervolumes; evaluations to reach peers; comparisons; time per proposal."""
    console, setting = stdout(), result.setting
    console.print(
        f"{result.table}: {result.rows:,} rows, {result.front} on the front; {setting.loss} against {setting.latency}, "
        f"reference {number(result.reference['loss'])} and {number(result.reference['latency'])}",
        markup=False,
    )
    console.print(f"{result.n_seeds} seeds, simulated workers: {result.workers}; {result.device}\n", markup=False)
    parts = (
        (
            "normalised hypervolume by evaluations: mean over seeds [95 % interval], and the most that is possible",
            _hypervolumes(result),
        ),
        (f"evaluations to reach what a peer (column) has at {result.reach_budget}", _reached(result)),
        ("evaluations at which the 95 % interval of the paired difference excludes zero", _compared(result)),
        ("thinking, ms per proposal", _times(result)),
    )
    for title, table in parts:
        console.print(title, style="bold", markup=False)
        console.print(table)
        console.print()


def _hypervolumes(result: "BenchResult") -> Table:
    """The last column is what so many rows can have at most."""
    table = _table("", *result.hypervolume, "possible")
    for budget, possible in result.possible.items():
        means = (_estimate(estimates[budget]) for estimates in result.hypervolume.values())
        table.add_row(f"{budget}", *means, _share(possible))
    return table


def _reached(result: "BenchResult") -> Table:
    table = _table("", *result.hypervolume)
    for sampler, peers in result.evaluations_to_reach.items():
        table.add_row(Text(sampler), *(_count(peers, peer) for peer in result.hypervolume))
    return table


def _count(peers: Mapping[str, int | None], peer: str) -> str:
    if peer not in peers:
        return ""
    count = peers[peer]
    return "never" if count is None else f"{count}"


def _compared(result: "BenchResult") -> Table:
    """Each pair once; the other way round is the same with better and worse exchanged."""
    table = _table("sampler", "peer", "better at", "worse at")
    for sampler, peer in combinations(result.differences, 2):
        estimates = result.differences[sampler][peer]
        better, worse = ([budget for budget, one in estimates.items() if one.sign == sign] for sign in (1, -1))
        table.add_row(Text(sampler), Text(peer), _spans(better, list(estimates)), _spans(worse, list(estimates)))
    return table


def _spans(chosen: Sequence[int], budgets: Sequence[int]) -> str:
    """Neighbouring budgets as one span: ``8, 32 to 200``."""
    spans: list[list[int]] = []
    for budget in chosen:
        if spans and budgets.index(budget) == budgets.index(spans[-1][-1]) + 1:
            spans[-1].append(budget)
        else:
            spans.append([budget])
    return ", ".join(f"{span[0]}" if len(span) == 1 else f"{span[0]} to {span[-1]}" for span in spans)


def _times(result: "BenchResult") -> Table:
    table = _table("", "median", "90th percentile", "n")
    for sampler, time in result.seconds_per_proposal.items():
        table.add_row(Text(sampler), number(1e3 * time.median), number(1e3 * time.p90), f"{time.n:,}")
    return table


def _table(*headers: str) -> Table:
    return Table(*headers, box=None, pad_edge=False)


def _estimate(estimate: "Estimate") -> str:
    low, high = _share(estimate.low), _share(estimate.high)
    return f"{_share(estimate.mean)} [{low}, {high}]"


def _share(value: float) -> str:
    """Three decimals, without the zero before them: there are many columns."""
    return f"{value:.3f}".removeprefix("0")
