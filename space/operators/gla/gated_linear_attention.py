"""Gated linear attention in chunks (Yang et al. 2023, section 4), in plain PyTorch.

The recurrence of one head, with state S [K, V] and a decay for each channel of the key::

    S_t = diag(exp(g_t)) S_{t-1} + k_t v_t^T        y_t = S_t^T q_t
"""

from __future__ import annotations

import torch
from torch import Tensor

from nas_search.space.operators.channel_decay import carry, channel_decay, cut_off
from nas_search.space.operators.chunking import chunks_back, chunks_first


def chunked_gated_linear_attention(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs [B, T, H, V] and the state [B, H, K, V] after the last token.

    q, k and log decays (at most 0) are [B, T, H, K], v is [B, T, H, V].
    """
    batch, tokens, heads, size = q.shape
    decay = channel_decay(cut_off(log_decay))
    q, k, v = (chunks_first(x, decay.length) for x in (q, k, v))
    rows, columns = q * decay.rows, k * decay.columns
    states, last = carry(columns.mT @ v, decay.half)
    y = rows @ states + (rows @ columns.mT).tril() @ v
    return chunks_back(y, batch, tokens), last.view(batch, heads, size, -1)


def gated_linear_attention_step(state: Tensor, q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor) -> Tensor:
    """One token of the recurrence, in place on the state [B, H, K, V]: its output [B, H, V].

    q, k and log decays are [B, H, K], v is [B, H, V].
    """
    memory = state.view(-1, *state.shape[2:])
    memory.mul_(log_decay.exp().view(memory.shape[0], -1, 1))
    memory.baddbmm_(k.reshape(memory.shape[0], -1, 1), v.reshape(memory.shape[0], 1, -1))
    return torch.bmm(q.reshape(memory.shape[0], 1, -1), memory).view_as(v)
