"""What workers hold of a node while they are there."""

from __future__ import annotations

from typing import Any

from nas_search.profiler.device import CPU

Needs = dict[str, Any]
"""As Ray's options."""
MEASURES = "nas_measure"
"""A node that was started with this resource is one to measure on; if any node has it, only such are."""


def training_needs(device: str, per_gpu: int = 1) -> Needs:
    """A core, or a GPU, which ``per_gpu`` workers share."""
    return {"num_cpus": 1} if device == CPU else {"num_cpus": 1, "num_gpus": 1 / per_gpu}


def measuring_needs(device: str, *, told: bool) -> Needs:
    """A core, or a whole GPU; of a node that was ``told`` to measure also that, so that no other search does."""
    return {**training_needs(device), **({"resources": {MEASURES: 1}} if told else {})}
