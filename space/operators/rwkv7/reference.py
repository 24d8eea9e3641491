"""RWKV-7 as a recurrence, a token at a time (Peng et al. 2025, section 4; the state is transposed, keys by values)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nas_search.space.operators.rwkv7.module import NORM_EPS, LowRank, Rwkv7Module


def rwkv7_reference(module: Rwkv7Module, x: Tensor) -> Tensor:
    """The whole operator on x [B, T, C]."""
    heads, size = module.heads, module.head_dim
    state = x.new_zeros(len(x), heads, size, size)
    before = torch.zeros_like(x[:, 0])
    outputs = []
    for token in x.unbind(1):
        xr, xw, xk, xv, xa, xg = ((1 - mix) * token + mix * before for mix in module.mix)
        before = token
        decay = torch.exp(-math.exp(-0.5) * torch.sigmoid(_up(module.decay, torch.tanh(_down(module.decay, xw)))))
        rate = torch.sigmoid(_up(module.rate, _down(module.rate, xa)))
        gate = _up(module.gate, torch.sigmoid(_down(module.gate, xg)))
        r, k, v = xr @ module.r_proj.weight.T, xk @ module.k_proj.weight.T, xv @ module.v_proj.weight.T
        removal = _heads(k * module.k_k, heads)
        removal = removal / removal.square().sum(-1, keepdim=True).sqrt()
        k = k * (1 + (rate - 1) * module.k_a)
        r, k, v, decay, rate = (_heads(part, heads) for part in (r, k, v, decay, rate))
        recalled = torch.einsum("bhkv,bhk->bhv", state, -removal)
        state = decay[..., None] * state + (removal * rate)[..., None] * recalled[..., None, :]
        state = state + k[..., None] * v[..., None, :]
        y = torch.einsum("bhkv,bhk->bhv", state, r)
        y = (y - y.mean(-1, keepdim=True)) / torch.sqrt(y.var(-1, correction=0, keepdim=True) + NORM_EPS * size)
        bonus = (r * k * _heads(module.r_k, heads)).sum(-1, keepdim=True) * v
        y = y.flatten(1) * module.norm_weight + module.norm_bias + bonus.flatten(1)
        outputs.append((y * gate) @ module.out_proj.weight.T)
    return torch.stack(outputs, 1)


def _down(projection: LowRank, x: Tensor) -> Tensor:
    return x @ projection.down.weight.T


def _up(projection: LowRank, x: Tensor) -> Tensor:
    y = x @ projection.up.weight.T
    return y if projection.up.bias is None else y + projection.up.bias


def _heads(x: Tensor, heads: int) -> Tensor:
    return torch.unflatten(x, -1, (heads, -1))
