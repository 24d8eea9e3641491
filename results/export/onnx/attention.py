"""Attention for a graph: sizes of every length, and a cache that comes in and goes out.

That of full attention grows by a token with each step. That of a window is the ring that our own steps have: token t
lies in slot t modulo the window.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nas_search.space.operators.attention.module import GroupedQueryAttention
from nas_search.space.operators.rotary import rotate
from nas_search.space.operators.sliding_window.module import SlidingWindowModule


def attend_sequence(mixer: GroupedQueryAttention, x: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs [B, T, C] of x [B, T, C] from position 0, and the cache [B, 2, kv_heads, slots, D] after it."""
    positions = torch.arange(x.shape[1])
    q, kv = _heads(mixer, x, positions)
    distance = positions[:, None] - positions
    visible = distance >= 0
    if isinstance(mixer, SlidingWindowModule):
        visible = visible & (distance < mixer.window)
        return _mix(mixer, q, kv, visible), _ring(kv, mixer.window)
    return _mix(mixer, q, kv, visible), kv


def attend_token(mixer: GroupedQueryAttention, x: Tensor, cache: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
    """The output [B, C] of one token x [B, C] at ``position`` [1], and the cache with it."""
    q, new = _heads(mixer, x.unsqueeze(1), position)
    if isinstance(mixer, SlidingWindowModule):
        slots = torch.arange(mixer.window)
        cache = torch.where((slots == position % mixer.window)[:, None], new, cache)
        return _mix(mixer, q, cache, slots <= position).squeeze(1), cache
    cache = torch.cat((cache, new), 3)
    return _mix(mixer, q, cache, None).squeeze(1), cache


def _heads(mixer: GroupedQueryAttention, x: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Queries [B, heads, T, D], and keys and values [B, 2, kv_heads, T, D] of x [B, T, C] at positions [T]."""
    heads = torch.unflatten(mixer.qkv_proj(x), -1, (-1, mixer.head_dim)).transpose(1, 2)
    qk, v = heads.split_with_sizes((mixer.heads + mixer.kv_heads, mixer.kv_heads), 1)
    turned = rotate(mixer._normalise(qk.transpose(1, 2)), _rows(mixer, positions)).transpose(1, 2)
    q, k = turned.split_with_sizes((mixer.heads, mixer.kv_heads), 1)
    return q, torch.stack((k, v), 1)


def _rows(mixer: GroupedQueryAttention, positions: Tensor) -> Tensor:
    """Rows [T, 2, D] of the rotary table, made in float64 since far positions are many turns."""
    powers = torch.arange(0, mixer.head_dim, 2, dtype=torch.float64) / mixer.head_dim
    angles = positions.double()[:, None] * mixer.rope_theta**-powers
    cosines, sines = angles.cos(), angles.sin()
    return torch.stack((torch.cat((cosines, cosines), -1), torch.cat((-sines, sines), -1)), 1).float()


def _mix(mixer: GroupedQueryAttention, q: Tensor, kv: Tensor, visible: Tensor | None) -> Tensor:
    """Outputs [B, T, C] of queries [B, heads, T, D] over the slots that are ``visible`` [T or 1, slots]."""
    k, v = kv.unbind(1)
    grouped = torch.unflatten(q, 1, (mixer.kv_heads, -1))
    # The heads of a group one below the other: one product with keys that nobody has to repeat.
    scores = grouped.flatten(2, 3) @ k.mT * mixer.head_dim**-0.5
    scores = torch.unflatten(scores, 2, (mixer.heads // mixer.kv_heads, -1))
    if visible is not None:
        scores = scores.masked_fill(~visible, -torch.inf)
    mixed = torch.unflatten(scores.softmax(-1).flatten(2, 3) @ v, 2, (mixer.heads // mixer.kv_heads, -1))
    return mixer.out_proj(mixed.flatten(1, 2).transpose(1, 2).flatten(2))


def _ring(kv: Tensor, window: int) -> Tensor:
    """The last ``window`` tokens of kv [B, 2, kv_heads, T, D], each in its slot; zeros where there was none."""
    last = kv.shape[3] - 1
    token = last - (last - torch.arange(window)) % window
    return kv.index_select(3, token.clamp_min(0)) * (token >= 0)[:, None]
