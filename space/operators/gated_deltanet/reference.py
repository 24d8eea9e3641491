"""Gated DeltaNet as a recurrence, a token at a time (Yang, Kautz and Hatamizadeh 2025, equation 10)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nas_search.space.operators.convolution_reference import convolved_token
from nas_search.space.operators.delta_rule.reference import heads_of, rms, write_and_read
from nas_search.space.operators.gated_deltanet.module import GatedDeltaNetModule


def gated_deltanet_reference(module: GatedDeltaNetModule, x: Tensor) -> Tensor:
    """The whole operator on x [B, T, C]."""
    sizes = module.sizes
    parts = (sizes.convolved, sizes.inner, sizes.heads, sizes.heads)
    qkv, z, beta, step = (x @ module.in_proj.weight.T).split_with_sizes(parts, -1)
    state = x.new_zeros(len(x), *sizes)
    outputs = []
    for t in range(x.shape[1]):
        q, k, v = heads_of(module, convolved_token(module.conv, qkv, t))
        decay = torch.exp(-module.A_log.exp() * functional.softplus(step[:, t] + module.dt_bias))
        state, y = write_and_read(decay[..., None, None] * state, q, k, v, torch.sigmoid(beta[:, t]))
        gated = (rms(y) * module.norm.weight).flatten(1) * functional.silu(z[:, t])
        outputs.append(gated @ module.out_proj.weight.T)
    return torch.stack(outputs, 1)
