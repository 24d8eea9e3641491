"""The paper's latencies and throughputs, measured: Nemotron-Flash against the models that it is compared with.

    python experiments/paper-latency/measure.py --device h100 --out DIR

Every network has random weights and runs on the same kernels, through the profiler; each baseline is measured in one
run with the hybrid of its group. Then each takes turns with transformers, whose step with a static cache it must not
fall behind. The last line is one JSON document. Every model is written to DIR when it is there, and skipped when the
command is run again. Exit code 1 if something could not be measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiment import Experiment, Measuring
from published import Published, read_published
from record import Record
from report import tables
from scaling import scale_architecture, scale_workload

from nas_search.errors import InputError, RunError
from nas_search.profiler.comparison import Comparison
from nas_search.profiler.device import Device, resolve_device
from nas_search.profiler.versions import package_version
from nas_search.profiler.workload import Workload
from nas_search.space.zoo import load_zoo

WORKLOADS = {"latency": "generate:8192,prompt=1", "throughput": "throughput:32768", "memory": "memory:8192"}
# Short, middling and long. Both sides read a cache that ends there.
CONTEXTS = (192, 1536, 6144)
# A processor has memory for more sequences than anybody waits for.
CPU_SCALE, CPU_BATCH = 8, 8
PROGRAM = "experiments/paper-latency/measure.py"
PACKAGES = ("nas-search", "torch", "transformers", "triton", "fla-core", "flash-attn", "mamba-ssm", "causal-conv1d")

JsonObject = dict[str, Any]


def main(arguments: Sequence[str], measuring: Measuring | None = None) -> int:
    """The exit code."""
    options = parse(arguments)
    try:
        complete = run(options, measuring or Measuring())
    except (InputError, RunError) as error:
        print(f"measure.py: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    return 0 if complete else 1


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, or a GPU's name such as h100 (default: cpu)")
    parser.add_argument("--scale", type=int, help="divide shapes and contexts by this (default: 8 on a CPU, else 1)")
    parser.add_argument("--models", nargs="+", metavar="NAME", help="only these baselines (default: all)")
    parser.add_argument(
        "--compile", action=argparse.BooleanOptionalAction, help="compile transformers (default: on a GPU alone)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write figures.json and table.md, and go on from them")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace, measuring: Measuring) -> bool:
    """Measure what the record lacks, and print it; whether nothing is missing."""
    paper, device = read_published(), resolve_device(options.device)
    settings = header(device, options)
    names = chosen(paper, options.models)
    everyone = (*paper.hybrids, *paper.measurable)
    networks = {name: scale_architecture(load_zoo(name), settings["scale"]) for name in everyone}
    record = Record(options.out, settings, tables)
    complete = Experiment(paper, networks, device, record, measuring).run(names)
    print(tables(record.document))
    print(json.dumps(record.document))
    rows = record.document["figures"].get("models", {}).values()
    return complete and not any(Comparison.model_validate(row).failures for row in rows)


def chosen(paper: Published, names: Sequence[str] | None) -> list[str]:
    """The baselines to measure, in the order of the file. Raises InputError for one that is not to be had."""
    for name in names or ():
        if name not in paper.measurable:
            raise InputError(f"--models {name}: there are {', '.join(paper.measurable)}")
    return [name for name in paper.measurable if not names or name in names]


def header(device: Device, options: argparse.Namespace) -> JsonObject:
    """What all figures of a record share."""
    on_cpu, dtype = device.kind == "cpu", device.default_dtype
    scale = options.scale if options.scale is not None else CPU_SCALE if on_cpu else 1
    if scale < 1:
        raise InputError(f"--scale {scale}: a whole number of at least 1 is needed")
    compiled = options.compile if options.compile is not None else not on_cpu
    asked = {name: Workload.parse(text, dtype) for name, text in WORKLOADS.items()}
    if on_cpu:
        asked["throughput"] = asked["throughput"].model_copy(update={"batch": CPU_BATCH})
    return {
        "experiment": "paper-latency",
        "command": f"python {PROGRAM} --device {device.name} --scale {scale} --{'' if compiled else 'no-'}compile",
        "device": device.model_dump(mode="json"),
        "device_id": device.id,
        "description": device.description,
        "dtype": dtype,
        "versions": {name: package_version(name) for name in PACKAGES},
        "scale": scale,
        "workloads": {name: str(scale_workload(workload, scale)) for name, workload in asked.items()},
        "contexts": [context // scale for context in CONTEXTS],
        "compiled": compiled,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
