"""How well a latency table predicts random networks that it has not seen.

    python experiments/benchmarks/table_accuracy.py

For every workload a table of the space is recorded, then checked twice on held-out random networks, each of them
measured twice: in the same sittings (the networks take turns with what the table is made of) and later, end to end and
by themselves. The ceiling of any predictor is the error of measuring again; the level is the median of measured /
calibrated, which a changed load of the machine moves. The bar: an error of at most 5 % (2 % on a GPU), or 1.3 times
that of measuring again; ranks inside quartiles at least 0.9 times as good; both baselines beaten. The last line is one
JSON document. About two minutes a workload on one core.
"""

import argparse
import json
import platform
import shlex
import sys
from collections.abc import Sequence

import psutil

from nas_search.profiler.check import TableCheck
from nas_search.profiler.checking import check_table
from nas_search.profiler.device import resolve_device
from nas_search.profiler.plan import TablePlan
from nas_search.profiler.record import record_table
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.workload import Workload
from nas_search.space.search_space import load_space

MAPE_BARS = {"cpu": 0.05, "cuda": 0.02}
COLUMNS = (
    "sitting",
    "MAPE raw",
    "calibrated",
    "depth only",
    "parameters only",
    "again",
    "calibrated - depth only",
    "- parameters only",
    "tau",
    "depth",
    "parameters",
    "again",
    "level",
    "bar",
)


def main(arguments: Sequence[str]) -> None:
    options = parse(arguments)
    space, device = load_space(options.space), resolve_device(options.device)
    print(device.description, f"load average {psutil.getloadavg()[0]:.2f}", sep="; ")
    found = {}
    for text in options.workload:
        workload = Workload.parse(text, device.default_dtype)
        plan = TablePlan.of_space(space, [workload], seed=options.seed, held_out=options.networks)
        table = record_table(plan, device)
        now = table.check(workload)
        later = check_table(table, workload, plan.held_out, seed=options.seed + 1)
        assert now is not None
        bar = MAPE_BARS[device.kind]
        print_checks(workload, table, {"same": now, "later": later}, bar)
        found[str(workload)] = {
            "seconds": table.info.seconds,
            "busy": table.info.busy,
            "rounds": max(cell.n for cell in table.cells),
            **{name: verdict(check, bar) for name, check in (("same", now), ("later", later))},
        }
    command = shlex.join([platform.python_implementation().lower(), *sys.argv])
    print(json.dumps({"device": device.model_dump(), "n": options.networks, "command": command, "found": found}))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", action="append", help="default: decode:256 and prefill:256")
    parser.add_argument("--space", default="cpu")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--networks", type=int, default=20, help="held out, each measured twice")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    options.workload = options.workload or ["decode:256", "prefill:256"]
    return options


def print_checks(workload: Workload, table: LatencyTable, checks: dict[str, TableCheck], bar: float) -> None:
    busy = "busy machine" if table.info.busy else "quiet machine"
    print(f"\n{workload}: {table.clock} clock, {busy}, recorded in {table.info.seconds:.0f} s")
    print(" | ".join(COLUMNS))
    for sitting, check in checks.items():
        errors = (check.mape_raw, check.mape_calibrated, check.mape_depth_only, check.mape_parameters_only)
        taus = (check.tau_calibrated, check.tau_depth_only, check.tau_parameters_only, check.tau_rerun)
        cells = [sitting, *(f"{error:.1%}" for error in (*errors, check.mape_rerun))]
        cells += [f"[{low:+.1%}, {high:+.1%}]" for low, high in (check.minus_depth_only, check.minus_parameters_only)]
        cells += ["n/a" if tau is None else f"{tau:.2f}" for tau in taus]
        cells += [f"{check.level:.3f}", "reached" if check.reached(bar) else "missed"]
        print(" | ".join(cells))


def verdict(check: TableCheck, bar: float) -> dict[str, object]:
    return {**check.model_dump(mode="json"), "bar_reached": check.reached(bar)}


if __name__ == "__main__":
    main(sys.argv[1:])
