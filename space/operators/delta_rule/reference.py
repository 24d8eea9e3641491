"""The steps that the references of DeltaNet and Gated DeltaNet share, a token at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from nas_search.space.operators.delta_rule.mixer import NORM_EPS, DeltaMixer

L2_EPS = 1e-6


def heads_of(module: DeltaMixer, token: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries (of length K ** -0.5), keys (of length 1) and values [B, H, K or V] of convolved channels."""
    heads, key_dim, value_dim = module.sizes
    keys = heads * key_dim
    q, k, v = token.split_with_sizes((keys, keys, heads * value_dim), -1)
    q, k = _unit(q.view(-1, heads, key_dim)) * key_dim**-0.5, _unit(k.view(-1, heads, key_dim))
    return q, k, v.view(-1, heads, value_dim)


def write_and_read(state: Tensor, q: Tensor, k: Tensor, v: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
    """The delta rule on a state [B, H, K, V]: the state after it, and what the query reads there [B, H, V]."""
    recalled = torch.einsum("bhkv,bhk->bhv", state, k)
    correction = beta[..., None] * (v - recalled)
    state = state + k[..., :, None] * correction[..., None, :]
    return state, torch.einsum("bhkv,bhk->bhv", state, q)


def rms(y: Tensor) -> Tensor:
    """y at unit root mean square over the last dimension."""
    return y / torch.sqrt(y.square().mean(-1, keepdim=True) + NORM_EPS)


def _unit(x: Tensor) -> Tensor:
    return x / torch.sqrt(x.square().sum(-1, keepdim=True) + L2_EPS)
