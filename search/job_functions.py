"""What workers do. This module imports torch when a job runs; the driver never imports it.

Each function takes a job's arguments, the run directory and a progress callback, and returns a JSON-able result.
Paths in arguments are relative to the run directory, but for that of the corpus.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas_search.profiler.device import CUDA, resolve_device
from nas_search.profiler.workload import Workload
from nas_search.proxies.data import Corpus
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.search.jobs import JsonObject, Progress
from nas_search.space.architecture import Architecture
from nas_search.space.search_space import SearchSpace

CHECK_NETWORKS = 12


def train(arguments: Mapping[str, Any], run_dir: Path, progress: Progress) -> JsonObject:
    """Train one rung.

    Arguments: architecture, corpus, recipe, rungs, rung, seed, device, checkpoints, weights or None.
    """
    import torch

    from nas_search.proxies.short_training import train_rung

    torch.set_num_threads(1)
    checkpoints = run_dir / arguments["checkpoints"]
    checkpoints.mkdir(parents=True, exist_ok=True)
    weights = arguments["weights"]
    result = train_rung(
        Architecture.parse(arguments["architecture"]),
        Corpus.open(Path(arguments["corpus"])),
        TrainingRecipe.model_validate(arguments["recipe"]),
        rungs=arguments["rungs"],
        rung=arguments["rung"],
        seed=arguments["seed"],
        checkpoint_dir=checkpoints,
        device=arguments["device"],
        keep_weights=None if weights is None else run_dir / weights,
        progress=progress,
    )
    if arguments["device"] == CUDA:
        torch.cuda.empty_cache()  # what is measured next may want all of the memory
    return result.model_dump(mode="json")


def recall(arguments: Mapping[str, Any], run_dir: Path, progress: Progress) -> JsonObject:
    """Train on a recall task. Arguments: architecture, task, pairs, steps, seed, device."""
    import torch

    from nas_search.proxies.recall import recall_result

    torch.set_num_threads(1)
    result = recall_result(
        Architecture.parse(arguments["architecture"]),
        arguments["task"],
        pairs=arguments["pairs"],
        steps=arguments["steps"],
        seed=arguments["seed"],
        device=arguments["device"],
        progress=progress,
    )
    if arguments["device"] == CUDA:
        torch.cuda.empty_cache()  # what is measured next may want all of the memory
    return result.model_dump(mode="json")


def measure(arguments: Mapping[str, Any], run_dir: Path, progress: Progress) -> JsonObject:
    """Measure networks end to end, in turns. Arguments: architectures, workload, device, seed, clock or None."""
    from nas_search.profiler.isolated import measure_isolated

    outcomes = measure_isolated(
        [Architecture.parse(text) for text in arguments["architectures"]],
        Workload.parse(arguments["workload"]),
        seed=arguments["seed"],
        device=resolve_device(arguments["device"]),
        clock=arguments["clock"],
        progress=progress,
    )
    return {"outcomes": [outcome.model_dump(mode="json") for outcome in outcomes]}


def record_table(arguments: Mapping[str, Any], run_dir: Path, progress: Progress) -> JsonObject:
    """Record a space's latency table into ``output``. Arguments: space, workloads, device, seed, output."""
    from nas_search.profiler.isolated_sitting import measure_sitting_isolated
    from nas_search.profiler.plan import TablePlan
    from nas_search.profiler.record import record_table as record

    plan = TablePlan.of_space(
        SearchSpace.model_validate(arguments["space"]),
        [Workload.parse(workload) for workload in arguments["workloads"]],
        seed=arguments["seed"],
        held_out=CHECK_NETWORKS,
    )
    table = record(
        plan,
        resolve_device(arguments["device"]),
        out=run_dir / arguments["output"],
        measure_one=measure_sitting_isolated,
        progress=progress,
    )
    return {"hash": table.hash}
