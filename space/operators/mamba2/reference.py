"""Mamba-2 as a recurrence, a token at a time (Dao and Gu 2024, equation 1 with a scalar decay per head)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nas_search.space.operators.convolution_reference import convolved_token
from nas_search.space.operators.mamba2.module import NORM_EPS, Mamba2Module


def mamba2_reference(module: Mamba2Module, x: Tensor) -> Tensor:
    """The whole operator on x [B, T, C]."""
    sizes = module.sizes
    shared = sizes.groups * sizes.state
    projected = x @ module.in_proj.weight.T
    z, convolved, dt = projected.split_with_sizes((sizes.inner, sizes.conv_channels, sizes.heads), -1)
    state = x.new_zeros(len(x), sizes.heads, sizes.head_dim, sizes.state)
    outputs = []
    for t in range(x.shape[1]):
        token = convolved_token(module.conv, convolved, t)
        u, b, c = token.split_with_sizes((sizes.inner, shared, shared), -1)
        u = u.view(len(x), sizes.heads, sizes.head_dim)
        b, c = _for_heads(module, b), _for_heads(module, c)
        step = functional.softplus(dt[:, t] + module.dt_bias)
        decay = torch.exp(-step * module.A_log.exp())
        state = decay[..., None, None] * state + (step[..., None] * u)[..., None] * b[:, :, None, :]
        y = torch.einsum("bhpn,bhn->bhp", state, c) + module.D[:, None] * u
        outputs.append(_gated_norm(module, y.flatten(1), z[:, t]) @ module.out_proj.weight.T)
    return torch.stack(outputs, 1)


def _for_heads(module: Mamba2Module, shared: Tensor) -> Tensor:
    """[B, groups * N] as [B, heads, N]: every head of a group gets the same."""
    sizes = module.sizes
    return shared.view(len(shared), sizes.groups, sizes.state).repeat_interleave(sizes.heads // sizes.groups, 1)


def _gated_norm(module: Mamba2Module, y: Tensor, z: Tensor) -> Tensor:
    gated = (y * functional.silu(z)).view(len(y), module.sizes.groups, -1)
    normed = gated / torch.sqrt(gated.square().mean(-1, keepdim=True) + NORM_EPS)
    return normed.flatten(1) * module.norm.weight
