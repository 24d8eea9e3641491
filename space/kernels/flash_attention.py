"""FlashAttention-2 (Dao 2023), package flash-attn: half precision only, heads of up to 256."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nas_search.space.kernels.precision import alike
from nas_search.space.kernels.registry import Kernel

if TYPE_CHECKING:
    from nas_search.space.operators.module import Cursor

PACKAGE = "flash-attn"
OLDEST_GPU = (8, 0)
LARGEST_HEAD = 256


def _load_attention() -> Callable[..., Tensor]:
    _check_gpu()
    from flash_attn import flash_attn_func

    def attend(q: Tensor, k: Tensor, v: Tensor, window: int | None = None) -> Tensor:
        """q [B, heads, T, D] over k, v [B, kv_heads, T, D]; the kernel has tokens before heads."""
        q, k, v = (x.transpose(1, 2) for x in alike(q, k, v))
        reach = (-1, -1) if window is None else (window - 1, 0)
        y: Tensor = flash_attn_func(q, k, v, causal=True, window_size=reach)
        return y.transpose(1, 2)

    return attend


def _load_cached_attention() -> Callable[..., Tensor]:
    _check_gpu()
    from flash_attn import flash_attn_with_kvcache

    def attend(q: Tensor, cache: Tensor, cursor: Cursor) -> Tensor:
        """q [B, kv_heads, group, D] over the slots of cache [B, 2, kv_heads, slots, D] up to the cursor.

        The number of valid slots stays on the device, so that a CUDA graph serves every position.
        """
        k, v = cache.transpose(2, 3).unbind(1)
        valid = (cursor.index + 1).clamp_max(cache.shape[3]).to(torch.int32).repeat(len(q))
        y: Tensor = flash_attn_with_kvcache(q.flatten(1, 2).unsqueeze(1), k, v, cache_seqlens=valid)
        return y.reshape(q.shape)

    return attend


def _check_gpu() -> None:
    if torch.cuda.get_device_capability() < OLDEST_GPU:
        raise ImportError("it needs a GPU of compute capability 8.0 or newer")


def _refuses_head(q: Tensor, *others: Any) -> str | None:
    size = q.shape[-1]
    return None if size <= LARGEST_HEAD and size % 8 == 0 else f"heads of {size}, not a multiple of 8 up to 256"


ATTENTION = Kernel("flash_attn_func", PACKAGE, _load_attention, refuses=_refuses_head)
CACHED_ATTENTION = Kernel("flash_attn_with_kvcache", PACKAGE, _load_cached_attention, refuses=_refuses_head)
