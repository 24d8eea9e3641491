"""One decode step of ours and of transformers, in turns: baselines that were slower than that would prove nothing."""

from __future__ import annotations

from typing import Any

import torch
from rows import StepRow
from transformers_step import StaticCacheStep

from nas_search.profiler.backend import backend_of
from nas_search.profiler.device import Device
from nas_search.profiler.networks import TimedNetwork, timing_session
from nas_search.profiler.precision import Precision
from nas_search.profiler.statistics import median_interval
from nas_search.profiler.timing import Progress, StopRule, measure_interleaved
from nas_search.profiler.turns import At
from nas_search.space.architecture import Architecture

SEED = 0
STOP = StopRule(max_seconds=10.0)


def measure_steps(arguments: dict[str, Any], at: At, progress: Progress) -> dict[str, Any]:
    """A :class:`StepRow` for each context, in a process of its own."""
    device = Device.model_validate(arguments["device"])
    network = Architecture.model_validate(arguments["architecture"])
    contexts, rows = arguments["contexts"], []
    for context in contexts:
        rows.append(step_row(network, context, device, compiled=arguments["compiled"]))
        progress(len(rows), len(contexts))
    return {"rows": [row.model_dump(mode="json") for row in rows]}


def step_row(network: Architecture, context: int, device: Device, *, compiled: bool) -> StepRow:
    """Both in memory at once, with weights of their own, in the device's format."""
    backend, dtype = backend_of(device), device.default_dtype
    with timing_session():
        ours = TimedNetwork(network, SEED, backend, Precision.of(dtype)).step_task(context, 1)
        place = backend.torch_device
        theirs = StaticCacheStep(network, context, place, getattr(torch, dtype), compiled=compiled).task()
        samples = measure_interleaved(
            [ours, theirs], STOP, seed=SEED, meter=backend.meter(), between_rounds=backend.check
        )
    clock, busy = backend.verdict(samples)
    our_ms, their_ms = samples.steady(clock)
    return StepRow(
        context=context,
        n=samples.rounds,
        ours=median_interval(our_ms),
        theirs=median_interval(their_ms),
        theirs_over_ours=median_interval(their_ms / our_ms),
        busy=busy,
    )
