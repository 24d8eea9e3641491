"""Mamba as a recurrence, a token at a time (Gu and Dao 2023, equation 2 and algorithm 2)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nas_search.space.operators.mamba.module import MambaModule


def mamba_reference(module: MambaModule, x: Tensor) -> Tensor:
    """The whole operator on x [B, T, C]."""
    inner, size, dt_rank = module.sizes
    inputs, z = (x @ module.in_proj.weight.T).split_with_sizes((inner, inner), -1)
    convolved = functional.silu(_convolve(module, inputs))
    rates = module.A_log.exp().view(inner, size)
    state = x.new_zeros(len(x), inner, size)
    outputs = []
    for t in range(x.shape[1]):
        u = convolved[:, t]
        low_rank, b, c = (u @ module.x_proj.weight.T).split_with_sizes((dt_rank, size, size), -1)
        dt = functional.softplus(low_rank @ module.dt_proj.weight.T + module.dt_proj.bias)
        state = torch.exp(-dt[..., None] * rates) * state + (dt * u)[..., None] * b[:, None, :]
        y = torch.einsum("bin,bn->bi", state, c) + module.D * u
        outputs.append((y * functional.silu(z[:, t])) @ module.out_proj.weight.T)
    return torch.stack(outputs, 1)


def _convolve(module: MambaModule, inputs: Tensor) -> Tensor:
    """The depthwise convolution of inputs [B, T, I], zeros before them."""
    taps = module.conv.weight.T.unsqueeze(1)
    padded = functional.pad(inputs.mT, (taps.shape[-1] - 1, 0))
    return functional.conv1d(padded, taps, module.conv.bias, groups=len(taps)).mT
