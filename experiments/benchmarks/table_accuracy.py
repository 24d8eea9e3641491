"""How well a latency table predicts random networks that it has not seen.

    python experiments/benchmarks/table_accuracy.py

For every workload a table of the space is recorded, then checked twice on held-out random networks, each of them
measured twice: in the same sitting (the networks take turns with what the table is made of) and later, by itself. The
ceiling of any predictor is the error of measuring again; the level is the median of measured / calibrated, which a
changed load of the machine moves. The last line is one JSON document. About two minutes a
workload on one core.
"""

import argparse
import json
import platform
import shlex
import sys
from collections.abc import Sequence

import psutil

from nas_search.profiler.check import TableCheck
from nas_search.profiler.device import resolve_device
from nas_search.profiler.record import CALIBRATION_NETWORKS, check_table, record_table
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture
from nas_search.space.search_space import SearchSpace, load_space

MIN_OPERATORS = 2
MAPE_BAR = 0.08
COLUMNS = (
    "sitting",
    "MAPE raw",
    "calibrated",
    "depth only",
    "again",
    "calibrated - depth only",
    "tau",
    "depth",
    "again",
    "level",
)


def main(arguments: Sequence[str]) -> None:
    options = parse(arguments)
    space, device = load_space(options.space).with_vocabulary(256), resolve_device("cpu")
    sample = random_networks(space, CALIBRATION_NETWORKS + options.networks, options.seed)
    held_out = sample[CALIBRATION_NETWORKS:]
    print(device.description, f"load average {psutil.getloadavg()[0]:.2f}", sep="; ")
    found = {}
    for workload in map(Workload.parse, options.workload):
        table = record_table(
            space.operator_specs(), space.widths, 256, [workload], device, seed=options.seed, sample=sample
        )
        now = table.record(workload).check
        later = check_table(table, workload, held_out, seed=options.seed + 1)
        assert now is not None
        print_checks(workload, table, {"same": now, "later": later})
        found[str(workload)] = {
            "seconds": table.info.seconds,
            "busy": table.info.busy,
            "rounds": max(cell.n for cell in table.cells),
            "same": verdict(now),
            "later": verdict(later),
        }
    command = shlex.join([platform.python_implementation().lower(), *sys.argv])
    print(json.dumps({"device": device.model_dump(), "n": options.networks, "command": command, "found": found}))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", action="append", help="default: decode:256 and prefill:256")
    parser.add_argument("--space", default="cpu")
    parser.add_argument("--networks", type=int, default=20, help="held out, each measured twice")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    options.workload = options.workload or ["decode:256", "prefill:256"]
    return options


def random_networks(space: SearchSpace, count: int, seed: int) -> list[Architecture]:
    """Different random members with at least MIN_OPERATORS operators."""
    drawn = dict.fromkeys(space.sample_architectures(4 * count, seed=seed))
    return [network for network in drawn if network.depth >= MIN_OPERATORS][:count]


def print_checks(workload: Workload, table: LatencyTable, checks: dict[str, TableCheck]) -> None:
    busy = "busy machine" if table.info.busy else "quiet machine"
    print(f"\n{workload}: {table.clock} clock, {busy}, recorded in {table.info.seconds:.0f} s")
    print(" | ".join(COLUMNS))
    for sitting, check in checks.items():
        errors = (check.mape_raw, check.mape_calibrated, check.mape_depth_only, check.mape_rerun)
        taus = (check.tau_calibrated, check.tau_depth_only, check.tau_rerun)
        cells = [sitting, *(f"{error:.1%}" for error in errors)]
        cells.append(f"[{check.advantage_low:+.1%}, {check.advantage_high:+.1%}]")
        cells += ["n/a" if tau is None else f"{tau:.2f}" for tau in taus]
        cells.append(f"{check.level:.3f}")
        print(" | ".join(cells))


def verdict(check: TableCheck) -> dict[str, object]:
    reached = check.within(MAPE_BAR) and check.depth_only_beaten
    return {**check.model_dump(mode="json"), "bar_reached": reached}


if __name__ == "__main__":
    main(sys.argv[1:])
