"""Attention, a token at a time: softmax over the tokens that it may see."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nas_search.space.operators.attention.module import QK_NORM_EPS, GroupedQueryAttention


def attention_reference(module: GroupedQueryAttention, x: Tensor) -> Tensor:
    """Every token of x [B, T, C] over all tokens before it."""
    return windowed_reference(module, x, window=x.shape[1])


def windowed_reference(module: GroupedQueryAttention, x: Tensor, window: int) -> Tensor:
    """Every token of x [B, T, C] over itself and the ``window - 1`` tokens before it."""
    keys: list[Tensor] = []
    values: list[Tensor] = []
    outputs = []
    for position, token in enumerate(x.unbind(1)):
        heads = module.qkv_proj(token).view(len(x), -1, module.head_dim)
        q, k, v = heads.split_with_sizes((module.heads, module.kv_heads, module.kv_heads), 1)
        keys.append(_rotate(_normalise(k, module.k_norm), position, module.rope_theta))
        values.append(v)
        q = _rotate(_normalise(q, module.q_norm), position, module.rope_theta)
        mixed = _attend(q, torch.stack(keys[-window:], 2), torch.stack(values[-window:], 2))
        outputs.append(mixed.flatten(1) @ module.out_proj.weight.T)
    return torch.stack(outputs, 1)


def _attend(q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """q [B, heads, D] over keys and values [B, kv_heads, tokens, D]; query head h reads kv head h // group."""
    group = q.shape[1] // keys.shape[1]
    outputs = []
    for head in range(q.shape[1]):
        k, v = keys[:, head // group], values[:, head // group]
        scores = torch.einsum("bd,btd->bt", q[:, head], k) / math.sqrt(q.shape[-1])
        outputs.append(torch.einsum("bt,btd->bd", scores.softmax(-1), v))
    return torch.stack(outputs, 1)


def _normalise(x: Tensor, gain: Tensor | None) -> Tensor:
    if gain is None:
        return x
    return x / torch.sqrt(x.square().mean(-1, keepdim=True) + QK_NORM_EPS) * gain


def _rotate(x: Tensor, position: int, theta: float) -> Tensor:
    """Turn the pair (i, i + D/2) by position * theta^(-2i/D)."""
    half = x.shape[-1] // 2
    angle = position * theta ** -(torch.arange(half, dtype=x.dtype) / half)
    a, b = x[..., :half], x[..., half:]
    return torch.cat((a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()), -1)
