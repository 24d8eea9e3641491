"""What a kernel does not take, so that another computes it."""

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from adapter_cases import anew, cache_inputs, convolution_inputs, convolution_step_inputs, normal, share
from kernel_fakes import FakePackages

from nas_search.space.kernels import flash_attention
from nas_search.space.kernels.registry import Operation
from nas_search.space.operators.attention import kernels as attention
from nas_search.space.operators.delta_rule import kernels as delta
from nas_search.space.operators.gla import kernels as gla
from nas_search.space.operators.mamba import kernels as mamba
from nas_search.space.operators.rwkv7 import kernels as rwkv7
from nas_search.space.operators.rwkv7.dplr import DplrTokens
from nas_search.space.operators.short_convolution import CONVOLUTION, CONVOLUTION_STEP
from nas_search.space.operators.sliding_window.kernels import WINDOWED_ATTENTION


@pytest.mark.parametrize(
    ("operation", "inputs", "reason"),
    [
        (attention.CAUSAL_ATTENTION, lambda: tuple(normal(1, 2, 3, 260) for _ in range(3)), "heads of 260"),
        (attention.CAUSAL_ATTENTION, lambda: tuple(normal(1, 2, 3, 12) for _ in range(3)), "heads of 12"),
        (attention.CACHED_ATTENTION, lambda: (normal(1, 1, 1, 4), *cache_inputs(0, 3)[1:]), "heads of 4"),
        (CONVOLUTION, lambda: (normal(1, 3, 12), normal(4, 12), None), "12 channels"),
        (CONVOLUTION, lambda: convolution_inputs(5, False), "a convolution of 5"),
        (CONVOLUTION_STEP, lambda: convolution_step_inputs(1, False), "a convolution of 1"),
        (delta.DELTA_RULE, lambda: tuple(normal(1, 2, 1, 300) for _ in range(3)), "keys of 300"),
        (rwkv7.RWKV7, lambda: (DplrTokens(*(normal(1, 2, 1, 300) for _ in range(6))),), "keys of 300"),
        (rwkv7.RWKV7, lambda: (DplrTokens(*(normal(1, 2, 1, 8) for _ in range(6))),), "values of 8"),
        (gla.GATED_LINEAR_ATTENTION, lambda: tuple(normal(1, 2, 1, 8) for _ in range(4)), "values of 8"),
        (mamba.SELECTIVE_SCAN, lambda: (normal(1, 2, 3), share(1, 2, 3), -share(3, 300)), "a state of 300"),
    ],
)
def test_sizes_that_a_kernel_does_not_take(
    operation: Operation, inputs: Callable[[], tuple[Any, ...]], reason: str
) -> None:
    told = operation.faster[0].refuses(*inputs())
    assert told is not None
    assert told.startswith(reason)


@pytest.mark.parametrize("operation", [attention.CAUSAL_ATTENTION, WINDOWED_ATTENTION, delta.DELTA_RULE])
def test_float32_goes_elsewhere(packages: FakePackages, operation: Operation) -> None:
    title = operation.faster[0].title
    assert anew(operation).choice("cuda", torch.float32).refused == {title: "it does not take float32"}
    assert anew(operation).choice("cuda", torch.bfloat16).kernel == title


def test_flash_attention_refuses_old_gpus(packages: FakePackages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda: (7, 5))
    with pytest.raises(ImportError, match=r"compute capability 8\.0"):
        flash_attention.ATTENTION.load()


@pytest.mark.parametrize(
    ("machine", "tilelang", "trains"),
    [
        ({}, False, True),
        ({"IS_NVIDIA_HOPPER": True}, False, False),
        ({"IS_NVIDIA_HOPPER": True}, True, True),
        ({"IS_NVIDIA_HOPPER": True, "TRITON_ABOVE_3_7_1": True}, False, True),
        ({"IS_NVIDIA_HOPPER": True, "TRITON_ABOVE_3_4_0": False}, False, True),
    ],
    ids=["other GPU", "Hopper", "TileLang", "newer Triton", "older Triton"],
)
def test_where_the_gated_delta_rule_has_no_gradient(
    packages: FakePackages, monkeypatch: pytest.MonkeyPatch, machine: dict[str, bool], tilelang: bool, trains: bool
) -> None:
    for name, value in machine.items():
        monkeypatch.setattr(sys.modules["fla.utils"], name, value)
    backend = sys.modules["fla.ops.common.backends"].CommonTileLangBackend
    monkeypatch.setattr(backend, "can_use", lambda: tilelang)
    rule = anew(delta.GATED_DELTA_RULE)
    title = rule.faster[0].title
    assert rule.choice("cuda", torch.bfloat16).kernel == title
    training = rule.choice("cuda", torch.bfloat16, gradient=True)
    assert (training.kernel == title) == trains
    assert trains or "needs Triton 3.7.1 or newer" in training.refused[title]
