"""Attention within a window in plain PyTorch: dense for short sequences, banded for long ones."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

# Blocks of fewer queries cost more in calls than they save in masked scores.
SMALLEST_BLOCK = 64


def windowed_attention(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    """Every token of q [B, heads, T, D] over itself and the ``window - 1`` before it in k, v [B, kv_heads, T, D].

    Long sequences go in blocks, so that the cost grows as T * window.
    """
    tokens, block = q.shape[2], max(window, SMALLEST_BLOCK)
    if tokens <= window:
        return functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    if tokens <= 2 * block:
        mask = band(tokens, tokens, window, q.device)
        return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
    return banded_attention(q, k, v, window, block)


def banded_attention(q: Tensor, k: Tensor, v: Tensor, window: int, block: int) -> Tensor:
    """Attention of q [B, heads, T, D] within ``window``, each block of queries over its own and the previous keys.

    ``block`` must be at least the window and less than T.
    """
    tokens = q.shape[2]
    first = functional.scaled_dot_product_attention(
        q[:, :, :block], k[:, :, :block], v[:, :, :block],
        attn_mask=band(block, block, window, q.device), enable_gqa=True,
    )  # fmt: skip
    queries = _blocks(q[:, :, block:], block, block)
    keys, values = _blocks(k, block, 2 * block), _blocks(v, block, 2 * block)
    mask = band(block, 2 * block, window, q.device)
    rest = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, enable_gqa=True)
    batch, heads, _, size = q.shape
    rest = rest.view(batch, -1, heads, block, size).transpose(1, 2).reshape(batch, heads, -1, size)
    return torch.cat((first, rest[:, :, : tokens - block]), 2)


def _blocks(x: Tensor, stride: int, length: int) -> Tensor:
    """Windows [B * blocks, heads, length, D] of x [B, heads, T, D], ``stride`` tokens apart, padded at the end."""
    x = functional.pad(x, (0, 0, 0, -x.shape[2] % stride))
    return x.unfold(2, length, stride).permute(0, 2, 1, 4, 3).flatten(0, 1)


# Few, since every length between one and two windows has a mask of its own.
@lru_cache(maxsize=8)
def band(queries: int, keys: int, window: int, device: torch.device) -> Tensor:
    """Mask [queries, keys], true where a query may look; the last query stands at the last key."""
    with torch.inference_mode(False):
        distance = torch.arange(keys - queries, keys, device=device)[:, None] - torch.arange(keys, device=device)
        return (distance >= 0) & (distance < window)
