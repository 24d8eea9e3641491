"""How fast a latency table predicts: many random networks of the paper's space, for several workloads.

    python experiments/benchmarks/table_speed.py

The figures in the table are made up, its size is that of a recorded one: every operator at every width, for each phase
that the workloads need, on a GPU with captured steps. No table has seen the networks, or any of their operators,
before: the time includes looking at them. The bar is one second on one core. The last line is one JSON document.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from statistics import median

import numpy as np

from nas_search.profiler.calibrate import AffineFit, PhaseRecord
from nas_search.profiler.cells import BEYOND, CHANGE, OVERHEAD, TRAFFIC, Cell, PhaseSetting
from nas_search.profiler.cost_model import traffic_knots
from nas_search.profiler.device import Device, resolve_device
from nas_search.profiler.plan import TablePlan
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.table_info import TableInfo
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture
from nas_search.space.search_space import SearchSpace, load_space

WORKLOADS = (
    "decode:8192", "prefill:8192", "generate:8192", "throughput:32768", "memory:32768", "energy:8192",
)  # fmt: skip
IMAGINARY = Device(name="imaginary", fingerprint={"kind": "cuda", "cache_mib": "50"})
BAR_SECONDS = 1.0
MIN_OPERATORS = 24


def main(arguments: Sequence[str]) -> None:
    options = parse(arguments)
    space = load_space("paper")
    workloads = [Workload.parse(text, "bfloat16") for text in WORKLOADS]
    plan = TablePlan.of_space(space, workloads, seed=0, held_out=0)
    settings = [setting for group in plan.groups(IMAGINARY) for setting in group.settings]
    cells = list(made_up_cells(plan, settings))
    print(f"{resolve_device('cpu').description}; {options.networks:,} networks of at least {MIN_OPERATORS} operators")
    print(f"{len(settings)} settings, {len(cells):,} cells")
    print("workload | seconds (median) | worst | microseconds a network")
    found: dict[str, dict[str, float]] = {}
    drawn = [random_networks(space, options.networks, seed) for seed in range(options.repetitions)]
    for workload in workloads:
        # A new table each time: one that knows an operator already does not look for it again.
        samples = [seconds(LatencyTable(info_of(settings), cells), workload, networks) for networks in drawn]
        found[str(workload)] = {"median": median(samples), "worst": max(samples)}
        each = 1e6 * median(samples) / options.networks
        print(f"{workload} | {median(samples):.3f} | {max(samples):.3f} | {each:.1f}")
    reached = all(times["worst"] < BAR_SECONDS for times in found.values())
    print(json.dumps({"n": options.networks, "seconds": found, "bar_seconds": BAR_SECONDS, "bar_reached": reached}))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=10_000)
    parser.add_argument("--repetitions", type=int, default=5)
    return parser.parse_args(arguments)


def seconds(table: LatencyTable, workload: Workload, networks: Sequence[Architecture]) -> float:
    started = time.perf_counter()
    figures = table.predict_many(networks, workload)
    elapsed = time.perf_counter() - started
    assert len(figures) == len(networks)
    return elapsed


def random_networks(space: SearchSpace, count: int, seed: int) -> list[Architecture]:
    """Random members with at least MIN_OPERATORS operators."""
    found: list[Architecture] = []
    while len(found) < count:
        drawn = space.sample_architectures(2000, seed=seed * 1000 + len(found))
        found += (network for network in drawn if network.depth >= MIN_OPERATORS)
    return found[:count]


def made_up_cells(plan: TablePlan, settings: Sequence[PhaseSetting]) -> Iterator[Cell]:
    rng = np.random.default_rng(0)
    for setting in settings:
        keys = [setting.key(CHANGE), *(setting.key(f"{BEYOND}{knot:g}") for knot in traffic_knots(IMAGINARY))]
        for width in plan.widths:
            keys += [setting.key(operator.notation, width) for operator in plan.operators]
            keys += [setting.key(OVERHEAD, width, plan.vocabulary), setting.key(TRAFFIC, width)]
        for key, value in zip(keys, rng.uniform(0.01, 0.1, len(keys)).tolist(), strict=True):
            yield Cell(key, value, value, value, value, value, 9)


def info_of(settings: Sequence[PhaseSetting]) -> TableInfo:
    fit = AffineFit(offset=0.1, slope=1.0, n=16)
    return TableInfo(
        space="paper",
        device=IMAGINARY,
        clock="device",
        busy=False,
        seed=0,
        kernels=(),
        seconds=0.0,
        memory_bytes=80 * 2**30,
        phases={
            str(setting): PhaseRecord(
                kind=setting.phase.kind,
                context=setting.phase.context,
                batch=setting.batch,
                precision=setting.precision,
                calibration=fit,
                depth_only=fit,
                parameters_only=fit,
            )
            for setting in settings
        },
        workloads={},
    )


if __name__ == "__main__":
    main(sys.argv[1:])
