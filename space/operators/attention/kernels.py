"""The operations of full attention, and what does them in PyTorch."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from nas_search.space.kernels import flash_attention
from nas_search.space.kernels.registry import Operation
from nas_search.space.operators.module import Cursor


def causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Every token of q [B, heads, T, D] over itself and all tokens before it in k and v [B, kv_heads, T, D]."""
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)


def cached_attention(q: Tensor, cache: Tensor, cursor: Cursor) -> Tensor:
    """The queries [B, kv_heads, group, D] of one token over the valid slots of cache [B, 2, kv_heads, slots, D]."""
    read = min(cursor.length, cache.shape[3])
    k, v = cache[:, :, :, :read].unbind(1)
    mask = None if cursor.mask is None else cursor.mask[None, :read]
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)


CAUSAL_ATTENTION = Operation("causal attention", causal_attention, (flash_attention.ATTENTION,), half=True)
CACHED_ATTENTION = Operation("attention over a cache", cached_attention, (flash_attention.CACHED_ATTENTION,), half=True)
