"""How much of our training time is matrix products: what no rearrangement of the rest can save.

    python experiments/benchmarks/matrix_share.py

Ours alone of the runs of ``operator_throughput.py`` that have a target, under PyTorch's profiler, on one thread. The
share is that of products and triangular solves in the time of all operations. The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import torch
from comparison import OURS, Comparison, keep_freed_memory
from layers import training_of_layer
from recurrences import Sizes, training_of_recurrence
from rich.console import Console
from rich.table import Table
from torch.profiler import ProfilerActivity, profile

OPERATORS = ("m2", "d", "gd", "gla")
PRODUCTS = {"aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "aten::linalg_solve_triangular"}
BATCH, TOKENS = 8, 256
RUNS = 9


def share_of_products(comparison: Comparison) -> list[float]:
    """The share in each of ``RUNS`` runs, after one to warm up."""
    run = comparison.contestants[OURS]()
    run()
    shares = []
    for _ in range(RUNS):
        with profile(activities=[ProfilerActivity.CPU]) as measured:
            run()
        times = {event.key: event.self_cpu_time_total for event in measured.key_averages()}
        shares.append(sum(times.get(name, 0.0) for name in PRODUCTS) / sum(times.values()))
    return shares


def main() -> None:
    """Profile all and print them."""
    argparse.ArgumentParser(description="Share of matrix products in our training time.").parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    comparisons = [training_of_layer(code, width, BATCH, TOKENS) for code in OPERATORS for width in (128, 256)]
    comparisons += [training_of_recurrence(code, Sizes(BATCH, TOKENS, size)) for code in OPERATORS for size in (32, 64)]
    shares = {comparison.what: share_of_products(comparison) for comparison in comparisons}
    table = Table("training", "matrix products, median", "quartiles", title=f"share of our time, n = {RUNS}")
    for what, found in shares.items():
        low, middle, high = np.quantile(found, (0.25, 0.5, 0.75))
        table.add_row(what, f"{middle:.0%}", f"{low:.0%} - {high:.0%}")
    Console(width=120).print(table)
    print(json.dumps({"runs": RUNS, "shares": shares, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
