"""The short convolution of references, a token at a time."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nas_search.space.operators.short_convolution import ShortConvolution


def convolved_token(convolution: ShortConvolution, inputs: Tensor, t: int) -> Tensor:
    """SiLU of the convolution's output [B, channels] at token t of inputs [B, T, channels]."""
    weight, bias = convolution.weight, convolution.bias
    y = torch.zeros_like(inputs[:, 0]) if bias is None else bias.expand_as(inputs[:, 0])
    for delay in range(min(len(weight), t + 1)):
        y = y + weight[-1 - delay] * inputs[:, t - delay]
    return functional.silu(y)
