"""Full causal attention, and what sliding-window attention shares with it."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from nas_search.space.operators.attention.kernels import CACHED_ATTENTION, CAUSAL_ATTENTION
from nas_search.space.operators.attention.spec import Attention, AttentionSpec
from nas_search.space.operators.module import Cursor, Mixer, Projection, State, StateFormat
from nas_search.space.operators.rms_norm import rms_norm
from nas_search.space.operators.rotary import rotary_table, rotate, rotate_

QK_NORM_EPS = 1e-6


class GroupedQueryAttention(Mixer):
    """Projections, positions and key-value cache; subclasses say who attends to whom.

    ``qkv_proj`` holds the rows of the query, key and value projections, one head after the other. The cache is one
    tensor [B, 2, kv_heads, slots, head_dim] of keys and values.
    """

    def __init__(self, spec: AttentionSpec, width: int) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = sizes = spec.sizes(width)
        self.rope_theta = spec.rope_theta
        self.qkv_proj = Projection(width, sizes.query_width + 2 * sizes.kv_width, bias=spec.qkv_bias)
        self.out_proj = Projection(sizes.query_width, width)
        self.q_norm = nn.Parameter(torch.ones(self.head_dim)) if spec.qk_norm else None
        self.k_norm = nn.Parameter(torch.ones(self.head_dim)) if spec.qk_norm else None

    @abstractmethod
    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Mix values by q [B, heads, T, D] and k, v [B, kv_heads, T, D]."""

    @abstractmethod
    def slots(self, max_length: int) -> int:
        """Slots of a cache for sequences of at most ``max_length`` tokens."""

    @abstractmethod
    def slot(self, cursor: Cursor, slots: int) -> Tensor:
        """The slot [1] into which this token's key and value go."""

    def forward(self, x: Tensor, state: State | None = None) -> Tensor:
        """A whole sequence [B, T, C]."""
        batch, tokens, _ = x.shape
        heads = self.qkv_proj(x).view(batch, tokens, -1, self.head_dim)
        qk, v = heads.split_with_sizes((self.heads + self.kv_heads, self.kv_heads), 2)
        rows = rotary_table(tokens, self.head_dim, self.rope_theta, x)[:tokens]
        q, k = rotate(self._normalise(qk), rows).split_with_sizes((self.heads, self.kv_heads), 2)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        if state is not None:
            self._fill(state[0], torch.stack((k, v), 1))
        mixed = self.attend(q, k, v)
        return self.out_proj(mixed.transpose(1, 2).reshape(batch, tokens, -1))

    def new_state(self, batch: int, max_length: int, form: StateFormat) -> State:
        """One cache of keys and values."""
        shape = (batch, 2, self.kv_heads, self.slots(max_length), self.head_dim)
        return (torch.zeros(shape, device=form.device, dtype=form.cache),)

    def step(self, x: Tensor, state: State, cursor: Cursor) -> Tensor:
        """One token [B, C] over the valid prefix of the cache."""
        return self.out_proj(self.attend_token(self.qkv_proj(x), state, cursor))

    def attend_token(self, projected: Tensor, state: State, cursor: Cursor) -> Tensor:
        """Queries, keys and values of one token [B, rows of qkv_proj] to mixed values [B, heads * head_dim].

        In place on the state; ``projected`` is overwritten too, its queries and keys are turned where they are.
        """
        cache, batch = state[0], projected.shape[0]
        heads = projected.view(batch, -1, self.head_dim)
        rotated = self._rotate_token(heads[:, : self.heads + self.kv_heads], cursor)
        # The query heads of a group are the rows of one small matrix: no copy of keys for each of them.
        q = rotated[:, : self.heads].view(batch, self.kv_heads, -1, self.head_dim)
        new = heads[:, self.heads :].view(batch, 2, self.kv_heads, 1, self.head_dim)
        cache.index_copy_(3, self.slot(cursor, cache.shape[3]), new)
        mixed: Tensor = CACHED_ATTENTION.on(cache.device)(q, cache, cursor)
        # Not a view: some kernels lay the heads out in another order, or pad them.
        return mixed.reshape(batch, -1)

    def residual_weights(self) -> tuple[Tensor, ...]:
        """The output projection."""
        return (self.out_proj.weight,)

    def _normalise(self, qk: Tensor) -> Tensor:
        if self.q_norm is None or self.k_norm is None:
            return qk
        gains = (self.q_norm.expand(self.heads, -1), self.k_norm.expand(self.kv_heads, -1))
        return rms_norm(qk, torch.cat(gains), QK_NORM_EPS)

    def _rotate_token(self, qk: Tensor, cursor: Cursor) -> Tensor:
        table = rotary_table(cursor.length, self.head_dim, self.rope_theta, qk)
        row = table.index_select(0, cursor.index)
        if self.q_norm is not None:
            qk.copy_(self._normalise(qk))
        return rotate_(qk, row)

    def _fill(self, cache: Tensor, kv: Tensor) -> None:
        # Token t lives in slot t modulo the number of slots; only a ring buffer has fewer slots than tokens.
        slots, tokens = cache.shape[3], kv.shape[3]
        first = max(0, tokens - slots)
        where = torch.arange(first, tokens, device=cache.device) % slots
        cache.index_copy_(3, where, kv[:, :, :, first:].to(cache.dtype))


class AttentionModule(GroupedQueryAttention):
    """Every token attends to all tokens before it."""

    def __init__(self, spec: Attention, width: int) -> None:
        super().__init__(spec, width)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Causal attention over the whole sequence."""
        mixed: Tensor = CAUSAL_ATTENTION.on(q.device)(q, k, v)
        return mixed

    def slots(self, max_length: int) -> int:
        """A slot for every token."""
        return max_length

    def slot(self, cursor: Cursor, slots: int) -> Tensor:
        """Token t goes to slot t."""
        return cursor.index
