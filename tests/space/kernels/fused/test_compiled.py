"""The kernels pass Triton's compiler for an H100, which accepts less than its interpreter. Nothing runs."""

from types import ModuleType
from typing import Any

import pytest
import torch
from fused_cases import decode, make_layer, make_tokens

# Triton's: attention has its own kernels between these two.
LAUNCHES = {
    "a": 2,
    "swa[window=3,head_dim=16,qkv_bias=yes]": 2,
    "m2": 3,
    "m2[groups=2,state=24,conv=2]": 3,
    "d[conv=1]": 3,
    "gd[head_dim=48,expand_v=2]": 3,
    "f": 2,
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("notation", LAUNCHES)
def test_a_layer_is_two_or_three_launches(
    compiled: tuple[ModuleType, list[Any]], notation: str, dtype: torch.dtype
) -> None:
    layers, kernels = compiled
    decode(make_layer(notation, 192).to(dtype), make_tokens(1, 2, 192), layers.FUSED_STEPS)
    assert len(kernels) == LAUNCHES[notation]
    assert all("ld.global" in kernel.asm["ptx"] for kernel in kernels)


@pytest.mark.parametrize("notation", ["d", "f"])
def test_weights_are_read_16_bytes_at_a_time(compiled: tuple[ModuleType, list[Any]], notation: str) -> None:
    layers, kernels = compiled
    decode(make_layer(notation, 1024).bfloat16(), make_tokens(1, 1, 1024), layers.FUSED_STEPS)
    for kernel in (kernels[0], kernels[-1]):
        assert kernel.asm["ptx"].count("ld.global.v4.b32") >= 4
