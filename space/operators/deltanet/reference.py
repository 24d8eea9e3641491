"""DeltaNet as a recurrence, a token at a time (Yang et al. 2024, equation 3), as published with scaled queries."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nas_search.space.operators.deltanet.module import NORM_EPS, DeltaNetModule

L2_EPS = 1e-6


def deltanet_reference(module: DeltaNetModule, x: Tensor) -> Tensor:
    """The whole operator on x [B, T, C]."""
    width, size = x.shape[-1], module.head_dim
    qkv, beta = (x @ module.in_proj.weight.T).split_with_sizes((3 * width, module.heads), -1)
    state = x.new_zeros(len(x), module.heads, size, size)
    outputs = []
    for t in range(x.shape[1]):
        token = functional.silu(_convolve(module.conv.weight, qkv, t)).view(len(x), 3, module.heads, size)
        q, k, v = _unit(token[:, 0]) * size**-0.5, _unit(token[:, 1]), token[:, 2]
        recalled = torch.einsum("bhkv,bhk->bhv", state, k)
        correction = torch.sigmoid(beta[:, t])[..., None] * (v - recalled)
        state = state + k[..., :, None] * correction[..., None, :]
        y = torch.einsum("bhkv,bhk->bhv", state, q)
        y = y / torch.sqrt(y.square().mean(-1, keepdim=True) + NORM_EPS) * module.norm.weight
        outputs.append(y.flatten(1) @ module.out_proj.weight.T)
    return torch.stack(outputs, 1)


def _convolve(weight: Tensor, inputs: Tensor, t: int) -> Tensor:
    """The convolutions' output [B, channels] at token t."""
    y = torch.zeros_like(inputs[:, 0])
    for delay in range(min(len(weight), t + 1)):
        y = y + weight[-1 - delay] * inputs[:, t - delay]
    return y


def _unit(x: Tensor) -> Tensor:
    return x / torch.sqrt(x.square().sum(-1, keepdim=True) + L2_EPS)
