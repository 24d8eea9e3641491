"""Speed of every operator on a CPU, in training and in decoding, against the PyTorch code of transformers and fla.

    python experiments/benchmarks/operator_throughput.py [--quick | --check]

One thread, float32, equal weights and inputs; outputs, and in training the gradients of inputs, are checked to agree
before anything is timed. :mod:`comparison` says how times are taken. Training is forward and backward on a batch of
sequences, decoding a token at a time after a prompt. An operator that nobody else has in PyTorch is timed by itself.
fla is the distribution fla-core (``pip install fla-core``), whose naive functions compete if it is installed. The last
line is one JSON document.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
import torch
from comparison import (
    OURS,
    Comparison,
    Rounds,
    Row,
    check_agreement,
    compare,
    comparison_table,
    cpu_ms,
    keep_freed_memory,
)
from layers import decoding_of_layer, training_of_layer
from recurrences import RECURRENCES, Sizes, training_of_recurrence
from reference_code import fla_version
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from nas_search.profiler.device import resolve_device
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM
from nas_search.space.operators.registry import operator_types

TARGET_RATIO, GOOD_RATIO = 1.3, 2.0
TARGETED = ("m2", "d", "gd", "gla")
HYBRID = "d f m2 f a f m2 f"


class Plan(NamedTuple):
    """Sizes: ``batch`` sequences of ``tokens`` in training, ``decoded`` tokens after so many in decoding."""

    widths: tuple[int, ...]
    head_dims: tuple[int, ...]
    batch: int = 8
    tokens: int = 256
    decoded: int = 64


FULL, FULL_ROUNDS = Plan(widths=(128, 256), head_dims=(32, 64)), Rounds(least=5, most=25, seconds=10)
QUICK, QUICK_ROUNDS = Plan(widths=(128,), head_dims=(32,)), Rounds(least=3, most=7, seconds=2)
CHECK = Plan(widths=(64,), head_dims=(32,), batch=2, tokens=96, decoded=4)


def comparisons(plan: Plan) -> Iterator[Callable[[], Comparison]]:
    """What is compared, to be made one after another: all of it together would fill the memory."""
    for code in operator_types():
        for width in plan.widths:
            yield partial(training_of_layer, code, width, plan.batch, plan.tokens)
        for head_dim in plan.head_dims if code in RECURRENCES else ():
            yield partial(training_of_recurrence, code, Sizes(plan.batch, plan.tokens, head_dim))
        for width in plan.widths:
            yield partial(decoding_of_layer, code, width, plan.tokens, plan.decoded)


def networks(plan: Plan) -> Iterator[str]:
    """A hybrid, and networks of one mixer with FFNs, at all widths."""
    mixers = [code for code, spec in operator_types().items() if spec.mixes_tokens]
    for width in plan.widths:
        for operators in (HYBRID, *(" ".join([code, "f"] * 4) for code in mixers)):
            yield f"w{width} {operators}"


def tokens_per_second(notation: str, plan: Plan, rounds: int) -> float:
    """Training speed of a whole network, forward and backward, without the optimiser: the median."""
    model = HybridLM(Architecture.parse(notation))
    tokens = torch.randint(256, (plan.batch, plan.tokens + 1), generator=torch.Generator().manual_seed(0))

    def run() -> None:
        model.zero_grad()
        model.loss(tokens).backward()

    times = [cpu_ms(run) for _ in range(rounds + 1)][1:]
    return plan.batch * plan.tokens / float(np.median(times)) * 1e3


def network_table(speeds: dict[str, float], title: str) -> Table:
    """Whole networks, for people."""
    table = Table("architecture", title=title)
    table.add_column("tokens/s", justify="right")
    for notation, speed in speeds.items():
        table.add_row(notation, f"{speed:,.0f}")
    return table


def verdict(rows: list[Row]) -> str:
    """Whether rows of training reach the target, and how many do better."""
    lows = [row.ratio_low for row in rows if row.operator in TARGETED and row.contestant != OURS]
    missed = sum(low <= TARGET_RATIO for low in lows)
    good = sum(low > GOOD_RATIO for low in lows)
    reached = f"NOT reached ({missed} of {len(lows)} are not)" if missed else "reached"
    return (
        f"target, every training interval of {', '.join(TARGETED)} above {TARGET_RATIO}: {reached}; "
        f"above {GOOD_RATIO:g}: {good} of {len(lows)}"
    )


def report(plan: Plan, rounds: Rounds) -> None:
    """Time everything and print it."""
    waiting = Console(stderr=True)
    makers = track(list(comparisons(plan)), "operators", console=waiting, transient=True)
    rows = [row for make in makers for row in compare(make(), rounds)]
    notations = track(list(networks(plan)), "networks", console=waiting, transient=True)
    speeds = {notation: tokens_per_second(notation, plan, rounds.least) for notation in notations}
    training, decoding = ([row for row in rows if row.regime == regime] for regime in ("training", "decode"))
    both_ways = f"forward + backward, batch {plan.batch} x {plan.tokens} tokens"
    console = Console(width=120)
    console.print(comparison_table(training, f"training: {both_ways}, one thread, CPU time"))
    console.print(
        comparison_table(decoding, f"decoding: one token after {plan.tokens} tokens, one thread, CPU time", "µs")
    )
    console.print(network_table(speeds, f"whole networks: {both_ways}"))
    console.print(escape(verdict(training)))
    versions = {"torch": version("torch"), "transformers": version("transformers"), "fla-core": fla_version()}
    document = {"rows": [asdict(row) for row in rows], "tokens_per_second": speeds}
    print(json.dumps(document | {"versions": versions | {"machine": resolve_device("cpu").description}}))


def check(plan: Plan) -> None:
    """Raise RuntimeError unless all contestants agree."""
    contestants = 0
    for make in comparisons(plan):
        comparison = make()
        check_agreement(comparison)
        contestants += len(comparison.contestants)
    print(f"{contestants} contestants agree")


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of operators on a CPU against public PyTorch code.")
    scope = parser.add_mutually_exclusive_group()
    scope.add_argument("--quick", action="store_true", help="fewer rounds and only the narrow sizes")
    scope.add_argument("--check", action="store_true", help="only see whether contestants agree, at small sizes")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    if fla_version() is None:
        print("fla-core is not installed: its functions are left out")
    if options.check:
        check(CHECK)
    elif options.quick:
        report(QUICK, QUICK_ROUNDS)
    else:
        report(FULL, FULL_ROUNDS)


if __name__ == "__main__":
    main()
