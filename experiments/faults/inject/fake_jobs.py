"""Jobs that take no time: the loss by a formula of the network, latencies by the table, a table of published rates."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from nas_search.files import write_atomic, write_text_atomic
from nas_search.profiler.device import resolve_device
from nas_search.profiler.estimated_table import estimate_table
from nas_search.profiler.known_devices import KNOWN_DEVICES
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.workload import Workload
from nas_search.proxies.checksum import CHECKSUM_KEY, checksum
from nas_search.search.jobs import JsonObject, Progress
from nas_search.space.architecture import Architecture
from nas_search.space.search_space import SearchSpace

STEPS = 4


def train(arguments: Mapping[str, Any], run_dir: Path, progress: Progress) -> JsonObject:
    """A rung by formula, with its checkpoint."""
    architecture = Architecture.parse(arguments["architecture"])
    tokens = arguments["rungs"][arguments["rung"]]
    checkpoints = run_dir / arguments["checkpoints"]
    checkpoints.mkdir(parents=True, exist_ok=True)
    for step in range(1, STEPS + 1):
        progress(step * tokens // STEPS, tokens)
    write_text_atomic(checkpoints / "trunk.safetensors", "trunk")
    if arguments["weights"]:
        weights = np.zeros(4, dtype=np.float32)
        metadata = {CHECKSUM_KEY: checksum({"weight": weights.data})}
        write_atomic(run_dir / arguments["weights"], save({"weight": weights}, metadata))
    bits = _loss(architecture, tokens, arguments["seed"])
    return {
        "rung": arguments["rung"], "tokens": tokens, "bits_per_byte": bits, "seconds": 1.0, "curve": [(tokens, bits)],
        "failure": None,
    }  # fmt: skip


def measure(arguments: Mapping[str, Any], run_dir: Path, progress: Progress) -> JsonObject:
    """Five per cent over what the table predicts."""
    table, workload = LatencyTable.load(run_dir / "table.parquet"), Workload.parse(arguments["workload"])
    networks = [Architecture.parse(text) for text in arguments["architectures"]]
    outcomes = []
    for count, predicted in enumerate(table.predict_many(networks, workload), start=1):
        value = 1.05 * float(predicted)
        outcomes.append({
            "value": value, "low": 0.99 * value, "high": 1.01 * value, "n": 9, "wall": value, "device": value,
            "clock": table.clock, "busy": False, "batch": workload.batch, "kernels": (), "device_id": table.device.id,
            "workload": str(workload), "unit": workload.unit, "precision": workload.precision,
        })  # fmt: skip
        progress(count, len(networks))
    return {"outcomes": outcomes}


def record_table(arguments: Mapping[str, Any], run_dir: Path, progress: Progress) -> JsonObject:
    """A table that nobody recorded: the rates of a known device under the name of this one."""
    space = SearchSpace.model_validate(arguments["space"])
    workloads = [Workload.parse(workload) for workload in arguments["workloads"]]
    for step in range(1, STEPS + 1):
        progress(step, STEPS)
    table = estimate_table(space, workloads, resolve_device(arguments["device"]), KNOWN_DEVICES[0])
    table.save(run_dir / arguments["output"])
    return {"hash": table.hash}


def quick_table(arguments: Mapping[str, Any], run_dir: Path, progress: Progress) -> JsonObject:
    """A table that is recorded for real, from few samples."""
    from nas_search.profiler.plan import TablePlan
    from nas_search.profiler.record import record_table as record
    from nas_search.profiler.timing import StopRule

    plan = TablePlan.of_space(
        SearchSpace.model_validate(arguments["space"]),
        [Workload.parse(workload) for workload in arguments["workloads"]],
        seed=0,
        held_out=0,
        calibration=6,
        stop=StopRule(min_rounds=1, max_rounds=2),
    )
    table = record(plan, resolve_device(arguments["device"]), out=run_dir / arguments["output"], progress=progress)
    return {"hash": table.hash}


def _loss(architecture: Architecture, tokens: int, seed: int) -> float:
    """Better with parameters, kinds of mixers and tokens, plus a constant of network and seed."""
    kinds = len({operator.code for operator in architecture.operators})
    digest = hashlib.sha256(f"{architecture.notation} {seed}".encode()).digest()
    own = int.from_bytes(digest[:4]) / 2**32
    return 3.0 - 0.1 * math.log10(architecture.parameters) - 0.1 * kinds + 0.2 * own + 20.0 / math.sqrt(tokens)
