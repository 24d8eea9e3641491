"""Operators and decode steps on a CUDA device: what our layers cost beside the kernels, and how near the memory allows.

    python experiments/benchmarks/gpu_operators.py [--quick] [--out FILE.json]

Layers in training and decoding, ours against layers written by hand around the same kernels (:mod:`wrapping`); decode
steps of whole networks against the speed of a copy (:mod:`gpu_decoding`); and the times by which fused or plain steps
were chosen. All in bfloat16, contestants in turns, timed by events on the device. The last line is one JSON document,
which ``--out`` also writes after every row. A row that fails says why and costs no other row; the exit code is then 1,
and without a CUDA device 2.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from comparison import Rounds, comparison_table
from gpu_bench import Bench, Nvml, device_facts, gpu_bench
from gpu_decoding import FUSED, HYBRID, PLAIN, DecodingRow, blank_row, measure_decoding, networks
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table
from wrapping import DIRECT, Case, WrappingRow, measure_wrapping

from nas_search.files import write_text_atomic
from nas_search.space.architecture import Architecture
from nas_search.space.kernels.fused.choice import STEP_CHOICES
from nas_search.space.operators.registry import operator_types

WRAPPING_TARGET = 0.95
CEILING_TARGETS = {PLAIN: 0.6, FUSED: 0.8}
CONTEXTS = (256, 8192)

AnyRow = TypeVar("AnyRow", WrappingRow, DecodingRow)


@dataclass(frozen=True)
class Plan:
    """Layers of ``widths`` are trained on ``batch`` x ``tokens``, networks step after each of ``contexts``."""

    widths: tuple[int, ...]
    networks: Callable[[], Iterable[tuple[str, Architecture]]]
    rounds: Rounds
    batch: int = 8
    tokens: int = 2048
    contexts: tuple[int, ...] = CONTEXTS

    def cases(self) -> Iterator[Case]:
        """Every operator in training, then every operator in decoding."""
        sizes = [(code, width) for code in operator_types() for width in self.widths]
        yield from (Case(*size, "training", self.batch, self.tokens) for size in sizes)
        yield from (Case(*size, "decode", 1, self.tokens) for size in sizes)


FULL = Plan((2048, 1024), partial(networks, quick=False), Rounds(least=15, most=60, seconds=2))
QUICK = Plan((1024,), partial(networks, quick=True), Rounds(least=9, most=15, seconds=0.5))


class Record:
    """Everything found so far; a file has it too, if one is given. Raises OSError if it cannot be written."""

    def __init__(self, path: Path | None, device: dict[str, Any]) -> None:
        self.path = path
        self.document: dict[str, Any] = {"device": device, "wrapping": [], "decoding": [], "steps": []}
        self._write()

    def add(self, section: str, row: WrappingRow | DecodingRow) -> None:
        """One more row, and the steps that were chosen by now."""
        self.document[section].append(asdict(row))
        self.document["steps"] = chosen_steps()
        self._write()

    def _write(self) -> None:
        if self.path is not None:
            write_text_atomic(self.path, json.dumps(self.document))


def report(plan: Plan, bench: Bench, record: Record, console: Console) -> bool:
    """Measure everything and print it; whether no row failed."""
    waiting = Console(stderr=True)
    wrapping = []
    for case in track(list(plan.cases()), "layers", console=waiting, transient=True):
        row = attempt(partial(measure_wrapping, bench, case, plan.rounds), WrappingRow(case))
        record.add("wrapping", row)
        wrapping.append(row)
    print_wrapping(wrapping, console)
    decoding = []
    steps = [(*network, context) for network in plan.networks() for context in plan.contexts]
    for network, architecture, context in track(steps, "networks", console=waiting, transient=True):
        decoded = attempt(
            partial(measure_decoding, bench, network, architecture, context, plan.rounds),
            blank_row(bench, network, architecture, context),
        )
        record.add("decoding", decoded)
        decoding.append(decoded)
    print_decoding(decoding, console)
    console.print(step_table(record.document["steps"]))
    console.print(clocks_seen([*wrapping, *decoding]))
    return not (any(row.failed for row in wrapping) or any(row.failed for row in decoding))


def attempt(measure: Callable[[], AnyRow], blank: AnyRow) -> AnyRow:
    """What was measured, or a row that says why nothing was: time on a GPU is too dear to lose the other rows."""
    try:
        return measure()
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return replace(blank, note=reason, failed=True)
    finally:
        torch.cuda.empty_cache()


def chosen_steps() -> list[dict[str, Any]]:
    """The decisions of this process between fused and plain steps, with both times."""
    return [{**kind._asdict(), **times._asdict(), "kernel": times.kernel} for kind, times in STEP_CHOICES.times.items()]


def print_wrapping(rows: Sequence[WrappingRow], console: Console) -> None:
    """Figures by regime, what ran or why nothing did, and whether the target is reached."""
    figures = [figure for row in rows for figure in row.figures]
    for regime, unit in (("training", "ms"), ("decode", "µs")):
        of_regime = [figure for figure in figures if figure.regime == regime]
        console.print(comparison_table(of_regime, f"{regime}: one layer of a stack, times on the device", unit))
    table = Table("layer", "kernels of ours", "left to PyTorch", "not compared, since", title="what ran")
    for row in rows:
        table.add_row(*map(escape, (str(row.case), ", ".join(row.kernels), ", ".join(row.missing), row.note)))
    console.print(table)
    console.print(escape(wrapping_verdict(rows)))


def wrapping_verdict(rows: Sequence[WrappingRow]) -> str:
    """Whether our layers are as fast as layers by hand."""
    lows = [figure.ratio_low for row in rows for figure in row.figures if figure.contestant == DIRECT]
    found = target_reached(lows, WRAPPING_TARGET)
    blank = sum(not row.figures for row in rows)
    return f"target, lower end of {DIRECT} / ours at least {WRAPPING_TARGET}: {found}; not compared: {blank}"


def print_decoding(rows: Sequence[DecodingRow], console: Console) -> None:
    """Shares of the bandwidth, and whether the hybrid reaches its targets."""
    table = Table("network", "context", "steps", title="decoding: one sequence, captured steps")
    for column in ("n", "ms", "must read, GB", "of a copy [95 %]", "of published"):
        table.add_column(column, justify="right")
    for row in rows:
        for figure in row.figures:
            table.add_row(
                f"{row.network} ({row.parameters / 1e6:,.0f} M)",
                str(row.context),
                figure.steps,
                str(figure.n),
                f"{figure.median_ms:.3f}",
                f"{row.step_bytes / 1e9:.3f}",
                f"{figure.of_copy:.1%} [{figure.of_copy_low:.1%}, {figure.of_copy_high:.1%}]",
                "unknown" if figure.of_published is None else f"{figure.of_published:.1%}",
            )
        if row.note:
            table.add_row(row.network, str(row.context), escape(row.note))
    console.print(table)
    copies = [row.copy_bandwidth / 1e12 for row in rows if row.copy_bandwidth is not None]
    if copies:
        console.print(f"a copy reads and writes {min(copies):.2f} to {max(copies):.2f} TB/s")
    for steps, target in CEILING_TARGETS.items():
        console.print(
            f"target, {HYBRID}, {steps}, lower end at least {target:.0%}: {ceiling_verdict(rows, steps, target)}"
        )


def ceiling_verdict(rows: Sequence[DecodingRow], steps: str, target: float) -> str:
    """Whether the hybrid reaches its target at all contexts."""
    of_hybrid = [figure for row in rows if row.network == HYBRID for figure in row.figures]
    return target_reached([figure.of_copy_low for figure in of_hybrid if figure.steps == steps], target)


def target_reached(lows: Sequence[float], target: float) -> str:
    """In words, from the lower ends of intervals."""
    if not lows:
        return "unknown, nothing was measured"
    missed = sum(low < target for low in lows)
    return f"NOT reached ({missed} of {len(lows)} are not)" if missed else f"reached ({len(lows)} of {len(lows)} are)"


def step_table(steps: Sequence[dict[str, Any]]) -> Table:
    """By which times steps were chosen."""
    table = Table("layer", "width", "format", "batch", title="one token of a layer: which steps were faster")
    for column in ("fused µs", "plain µs", "plain / fused"):
        table.add_column(column, justify="right")
    table.add_column("runs")
    for step in steps:
        fused, plain = step["fused_ms"], step["plain_ms"]
        measured = fused is not None and plain is not None
        figures = (f"{fused * 1e3:.1f}", f"{plain * 1e3:.1f}", f"{plain / fused:.2f}") if measured else ("", "", "")
        kind = (step["operator"], str(step["width"]), step["dtype"], str(step["batch"]))
        table.add_row(*map(escape, kind), *figures, step["kernel"])
    return table


def clocks_seen(rows: Sequence[WrappingRow | DecodingRow]) -> str:
    """The lowest and highest clocks before and after all rows."""
    clocks = [clock for row in rows for clock in row.clocks if clock is not None]
    if not clocks:
        return "clocks: unknown"
    multiprocessors, memory = ([*column] for column in zip(*map(astuple, clocks), strict=True))
    return (
        f"clocks: multiprocessors {min(multiprocessors)} to {max(multiprocessors)} MHz, "
        f"memory {min(memory)} to {max(memory)} MHz"
    )


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description="Operators and decode steps on a CUDA device, in bfloat16.")
    parser.add_argument("--quick", action="store_true", help="one width, two networks, fewer rounds")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write the results there, after every row")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("gpu_operators: PyTorch finds no CUDA device, and everything here is measured on one", file=sys.stderr)
        return 2
    device = torch.device("cuda", torch.cuda.current_device())
    torch.manual_seed(0)
    nvml = Nvml(device)
    facts = device_facts(device, nvml)
    try:
        record = Record(options.out, facts)
    except OSError as error:
        print(f"gpu_operators: --out {options.out}: {error.strerror}", file=sys.stderr)
        return 2
    console = Console(width=140)
    console.print(escape(f"{facts['name']}, driver {facts['driver']}, CUDA {facts['cuda']}, torch {torch.__version__}"))
    complete = report(QUICK if options.quick else FULL, gpu_bench(device, nvml), record, console)
    print(json.dumps(record.document))
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
