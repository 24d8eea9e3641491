"""Attention through flash-attn or PyTorch's own, and the FFN, which is PyTorch on both sides."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from direct_layers.layer import Calls, DirectLayer, copied, package_function
from nas_search.space.operators.attention.kernels import CACHED_ATTENTION, CAUSAL_ATTENTION
from nas_search.space.operators.attention.module import GroupedQueryAttention
from nas_search.space.operators.ffn.module import FeedForwardModule
from nas_search.space.operators.module import Cursor, State
from nas_search.space.operators.rotary import rotary_table
from nas_search.space.operators.sliding_window.banded import band
from nas_search.space.operators.sliding_window.kernels import WINDOWED_ATTENTION
from nas_search.space.operators.sliding_window.module import SlidingWindowModule


class Position(NamedTuple):
    """Of one step.

    ``row`` [1, 2, 1, D] has cosines and signed sines, key and value go into ``slot`` [1], and the number of slots that
    are read is known to the host as ``read`` and to the device as ``valid`` [B].
    """

    row: Tensor
    slot: Tensor
    read: int
    valid: Tensor


class DirectAttention(DirectLayer):
    """Attention through flash-attn, or through PyTorch's own."""

    operation = CAUSAL_ATTENTION

    def __init__(self, ours: GroupedQueryAttention, calls: Calls) -> None:
        super().__init__(ours, calls)
        self.qkv_proj, self.out_proj = ours.qkv_proj, ours.out_proj
        self.heads = (ours.heads, ours.kv_heads, ours.kv_heads)
        self.head_dim, self.rope_theta = ours.head_dim, ours.rope_theta

    @cached_property
    def attention(self) -> Callable[..., Tensor]:
        """The kernel for a sequence."""
        return package_function("flash_attn", "flash_attn_func")

    @cached_property
    def cached_attention(self) -> Callable[..., Tensor]:
        """The kernel for one token."""
        return package_function("flash_attn", "flash_attn_with_kvcache")

    def forward(self, x: Tensor) -> Tensor:
        """The kernel has tokens before heads."""
        q, k, v = self._project(x)
        rows = self._table(x.shape[1], x)[: x.shape[1]].unsqueeze(-2)
        q, k = self._rotate(q, rows), self._rotate(k, rows)
        if self.operation.name in self.calls.missing:
            mixed = self._sdpa(*(part.transpose(1, 2) for part in (q, k, v))).transpose(1, 2)
        else:
            mixed = self.attention(q, k, v, causal=True, window_size=self._reach())
        return self.out_proj(mixed.flatten(-2))

    def step(self, x: Tensor, state: State, shared: Position) -> Tensor:
        """Over the valid slots of keys and values."""
        q, k, v = self._project(x.unsqueeze(1))
        q, k = self._rotate(q, shared.row), self._rotate(k, shared.row)
        if CACHED_ATTENTION.name in self.calls.missing:
            for cache, new in zip(state, (k, v), strict=True):
                cache.index_copy_(2, shared.slot, new.transpose(1, 2))
            keys, values = (cache[:, :, : shared.read] for cache in state)
            mixed = functional.scaled_dot_product_attention(q.transpose(1, 2), keys, values, enable_gqa=True)
        else:
            for cache, new in zip(state, (k, v), strict=True):
                cache.index_copy_(1, shared.slot, new)
            mixed = self.cached_attention(q, *state, cache_seqlens=shared.valid)
        return self.out_proj(mixed.reshape(len(x), -1))

    def shared(self, cursor: Cursor, state: State) -> Position:
        """All from the position on the device, as a captured step needs it."""
        slots = state[0].shape[2 if CACHED_ATTENTION.name in self.calls.missing else 1]
        row = self._table(cursor.length, state[0]).index_select(0, cursor.index).unsqueeze(-2)
        valid = (cursor.index + 1).clamp_max(slots).to(torch.int32).expand(len(state[0])).contiguous()
        return Position(row, cursor.index % slots, min(cursor.length, slots), valid)

    def state(self, ours: State) -> State:
        """Keys and values apart, for flash-attn with slots before heads."""
        heads_first = CACHED_ATTENTION.name in self.calls.missing
        return tuple(copied(part if heads_first else part.transpose(1, 2)) for part in ours[0].unbind(1))

    def _project(self, x: Tensor) -> tuple[Tensor, ...]:
        return torch.unflatten(self.qkv_proj(x), -1, (-1, self.head_dim)).split_with_sizes(self.heads, -2)

    def _table(self, length: int, like: Tensor) -> Tensor:
        return rotary_table(length, self.head_dim, self.rope_theta, like)

    def _rotate(self, x: Tensor, rows: Tensor) -> Tensor:
        """Heads x [B, T, heads, D] by cosines and signed sines in rows [T, 2, 1, D]."""
        cosines, signed_sines = rows.unbind(1)
        return torch.addcmul(x * cosines, x.roll(self.head_dim // 2, -1), signed_sines)

    def _reach(self) -> tuple[int, int]:
        """Tokens seen to the left and to the right, -1 for all."""
        return -1, -1

    def _sdpa(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Heads before tokens."""
        return functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)


class DirectSlidingWindow(DirectAttention):
    """The same in a window; PyTorch's own gets a mask."""

    operation = WINDOWED_ATTENTION

    def __init__(self, ours: SlidingWindowModule, calls: Calls) -> None:
        super().__init__(ours, calls)
        self.window = ours.window

    def _reach(self) -> tuple[int, int]:
        return self.window - 1, 0

    def _sdpa(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        mask = band(q.shape[2], q.shape[2], self.window, q.device)
        return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)


class DirectFfn(DirectLayer):
    """SwiGLU: PyTorch on both sides."""

    def __init__(self, ours: FeedForwardModule, calls: Calls) -> None:
        super().__init__(ours, calls)
        self.gate_up_proj, self.out_proj = ours.gate_up_proj, ours.out_proj

    def forward(self, x: Tensor) -> Tensor:
        """Every token by itself."""
        gate, up = self.gate_up_proj(x).chunk(2, -1)
        return self.out_proj(functional.silu(gate) * up)

    def step(self, x: Tensor, state: State, shared: None) -> Tensor:
        """The same."""
        return self(x)  # type: ignore[no-any-return]
