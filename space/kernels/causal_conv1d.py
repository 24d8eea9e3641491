"""The depthwise convolution of package causal-conv1d: two to four taps, channels in multiples of eight."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from nas_search.space.kernels.precision import FLOATS
from nas_search.space.kernels.registry import Kernel

PACKAGE = "causal-conv1d"
TAPS = range(2, 5)
# The kernel for channels last reads so many at once, from addresses that are multiples of them.
ALIGNMENT = 8


def _load_convolution() -> Callable[..., Tensor]:
    from causal_conv1d import causal_conv1d_fn

    def convolve(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """x [B, T, channels]; the kernel has channels before tokens, in memory as ours."""
        if any(step % ALIGNMENT for step in (*x.stride()[:2], x.storage_offset())) or x.stride(2) != 1:
            # Not ``contiguous``: it would leave the strides of axes of one, which the kernel checks too.
            x = x.clone(memory_format=torch.contiguous_format)
        y: Tensor = causal_conv1d_fn(x.transpose(1, 2), weight.T, bias)
        return y.transpose(1, 2)

    return convolve


def _load_step() -> Callable[..., Tensor]:
    from causal_conv1d import causal_conv1d_update

    def step(state: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """x [B, channels], shifted into state [B, K - 1, channels]."""
        y: Tensor = causal_conv1d_update(x.to(state.dtype), state.transpose(1, 2), weight.T, bias)
        return y

    return step


def _refuses_sequence(x: Tensor, weight: Tensor, bias: Tensor | None) -> str | None:
    if x.shape[-1] % ALIGNMENT:
        return f"{x.shape[-1]} channels, not a multiple of {ALIGNMENT}"
    return _refuses_taps(weight)


def _refuses_step(state: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None) -> str | None:
    return _refuses_taps(weight)


def _refuses_taps(weight: Tensor) -> str | None:
    return None if len(weight) in TAPS else f"a convolution of {len(weight)}, not of 2 to 4 tokens"


CONVOLUTION = Kernel("causal_conv1d_fn", PACKAGE, _load_convolution, FLOATS, _refuses_sequence)
CONVOLUTION_STEP = Kernel("causal_conv1d_update", PACKAGE, _load_step, FLOATS, _refuses_step)
