"""Whether a network is measured to be as fast among others as alone.

    OMP_NUM_THREADS=1 python experiments/benchmarks/neighbours.py [--repetitions 3] [--workload decode:256]

Networks that are compared are timed in turns, and what ran before has put other weights into the caches. Each of some
small networks is timed alone, then in turns with larger ones, both several times, in this process. The bar is a ratio
of the medians within 3 %. The last line is one JSON document.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from statistics import median

from nas_search.profiler.device import resolve_device
from nas_search.profiler.measure import measure
from nas_search.profiler.measurement import Failure, Measurement
from nas_search.profiler.timing import StopRule
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture

SMALL = ("w192 (m2)x3 d", "w256 m2 m2 a", "w128 (a f)x4")
LARGE = ("w256 (m2)x6 d", "w384 (m2 f)x3")
STOP = StopRule(max_seconds=8.0)
BAR = 0.03


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=3, help="of everything (default: 3)")
    parser.add_argument("--workload", type=Workload.parse, default=Workload.parse("decode:256"))
    options = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    print(f"{resolve_device('cpu').description}; load {load:.1f} before; {options.repetitions} repetitions")
    print(f"CPU ms a step of {options.workload}: median of repetitions [least, most]")
    alone: list[list[float]] = [[] for _ in SMALL]
    among: list[list[float]] = [[] for _ in SMALL]
    for _ in range(options.repetitions):
        for place, network in enumerate(SMALL):
            alone[place] += timed([network], options.workload)
        for place, found in enumerate(timed([*SMALL, *LARGE], options.workload)[: len(SMALL)]):
            among[place].append(found)
    rows = [
        {"network": network, "alone_ms": one, "among_ms": other, "ratio": median(other) / median(one)}
        for network, one, other in zip(SMALL, alone, among, strict=True)
    ]
    for row in rows:
        print(f"{row['network']} | {written(row['alone_ms'])} | {written(row['among_ms'])} | {row['ratio']:.3f}")
    reached = all(abs(row["ratio"] - 1) <= BAR for row in rows)
    print(json.dumps({"load": load, "bar": BAR, "reached": reached, "networks": rows}))


def timed(networks: Sequence[str], workload: Workload) -> list[float]:
    """CPU milliseconds of each, in turns."""
    architectures = [Architecture.parse(network) for network in networks]
    found = measure(architectures, workload, device=resolve_device("cpu"), seed=0, clock="device", stop=STOP)
    failures = [outcome.reason for outcome in found if isinstance(outcome, Failure)]
    if failures:
        sys.exit(f"not measured: {failures[0]}")
    return [outcome.value for outcome in found if isinstance(outcome, Measurement)]


def written(times: Sequence[float]) -> str:
    return f"{median(times):.3f} [{min(times):.3f}, {max(times):.3f}]"


if __name__ == "__main__":
    main(sys.argv[1:])
