"""A device that is a CPU with a clock of its own, and the options of kernel packages that our adapters do not use."""

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

TESTS = Path(__file__).parents[2]
BENCHMARKS = TESTS.parent / "experiments" / "benchmarks"
WIDTH = 64
EQUAL = 2e-5


def load(name: str) -> ModuleType:
    """A module of the benchmarks."""
    return importlib.import_module(name)


def cpu_bench(**changes: Any) -> Any:
    settings: dict[str, Any] = {
        "device": torch.device("cpu"),
        "dtype": torch.float32,
        "timer": lambda run: float(len(run())),
        "new_capture": lambda: lambda warm_up, run: run,
        "clocks": lambda: None,
        "cache_bytes": 1,
        "copied_bytes": 1000,
        "agreement": EQUAL,
    }
    return load("gpu_bench").Bench(**settings | changes)


def with_activation(function: Callable[..., Tensor], *inputs: Any, activation: str | None) -> Tensor:
    y = function(*inputs)
    assert activation in {None, "silu"}
    return functional.silu(y) if activation else y


def with_norm(
    function: Callable[..., Any], *, q: Tensor, k: Tensor, use_qk_l2norm_in_kernel: bool, **others: Any
) -> Any:
    if use_qk_l2norm_in_kernel:
        q, k = (functional.normalize(x, dim=-1) for x in (q, k))
    return function(q=q, k=k, **others)


def with_gate(function: Callable[..., Tensor], *inputs: Any, z: Tensor | None, **others: Any) -> Tensor:
    y = function(*inputs, **others)
    return y if z is None else y * functional.silu(z)


def with_step_sizes(
    function: Callable[..., Tensor], u: Tensor, delta: Tensor, *inputs: Tensor, z: Tensor | None = None, **others: Any
) -> Tensor:
    """All of them have tokens last."""
    if not others:
        return function(u, delta, *inputs)
    assert z is not None
    assert others["delta_softplus"]
    y = function(u, functional.softplus(delta + others["delta_bias"][:, None]), *inputs)
    return (y + others["D"][:, None] * u) * functional.silu(z)
