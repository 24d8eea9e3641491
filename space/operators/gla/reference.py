"""Gated linear attention as a recurrence, a token at a time (Yang et al. 2023, equation 3 and section 4.4)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nas_search.space.operators.gla.module import GATE_NORMALISER, NORM_EPS, GlaModule


def gla_reference(module: GlaModule, x: Tensor) -> Tensor:
    """The whole operator on x [B, T, C]."""
    heads, key_dim, value_dim = module.sizes
    state = x.new_zeros(len(x), heads, key_dim, value_dim)
    outputs = []
    for token in x.unbind(1):
        q, k, v, gate, low_rank = (token @ module.in_proj.weight.T).split_with_sizes(module.parts, -1)
        gate_logits = low_rank @ module.decay_proj.weight.T + module.decay_proj.bias
        decay = torch.exp(functional.logsigmoid(gate_logits) / GATE_NORMALISER).view(-1, heads, key_dim)
        q = q.view(-1, heads, key_dim) * key_dim**-0.5
        k, v = k.view(-1, heads, key_dim), v.view(-1, heads, value_dim)
        state = decay[..., :, None] * state + k[..., :, None] * v[..., None, :]
        y = torch.einsum("bhkv,bhk->bhv", state, q)
        y = y / torch.sqrt(y.square().mean(-1, keepdim=True) + NORM_EPS) * module.norm.weight
        outputs.append((y.flatten(1) * functional.silu(gate)) @ module.out_proj.weight.T)
    return torch.stack(outputs, 1)
