"""The recurrence of RWKV-7 in chunks: transitions that are diagonal plus low rank, in plain PyTorch.

One head, with state S [K, V] and a decay for each channel of the key (Peng et al. 2025, equation 17, transposed)::

    S_t = diag(exp(g_t)) S_{t-1} + b_t u_t^T + k_t v_t^T,   u_t = S_{t-1}^T a_t        y_t = S_t^T r_t

u is a correction as in the delta rule, written along b and read along -a, beside the known writes k v^T. With the
decays put on the vectors (:mod:`~nas_search.space.operators.channel_decay`) nothing else is left of them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nas_search.space.operators.channel_decay import channel_decay, cut_off
from nas_search.space.operators.chunking import chunks_back, chunks_first
from nas_search.space.operators.correction import Corrections, chunk_for, solve_corrections


class DplrTokens(NamedTuple):
    """What tokens [B, T, H], or one [B, H], bring: r, k, a, b and log decays (at most 0) [..., K], v [..., V]."""

    r: Tensor
    log_decay: Tensor
    k: Tensor
    v: Tensor
    a: Tensor
    b: Tensor


def chunked_dplr(sequence: DplrTokens) -> tuple[Tensor, Tensor]:
    """Outputs [B, T, H, V] and the state [B, H, K, V] after the last token, which has no gradient."""
    r, log_decay, k, v, a, b = sequence
    batch, tokens, heads, size = r.shape
    log_decay = cut_off(log_decay)
    decay = channel_decay(log_decay, chunk_for(size))
    # A token reads the state before its own decay. A correction is what a token wants less what it reads.
    reading = -a * torch.exp(-log_decay)
    r, k, v, reading, b = (chunks_first(x, decay.length) for x in (r, k, v, reading, b))
    queries, reads, written, known = r * decay.rows, reading * decay.rows, b * decay.columns, k * decay.columns
    half = decay.half.mT
    problem = Corrections(
        attention=queries @ written.mT,
        system=reads @ written.mT,
        queries=queries * half,
        reads=reads * half,
        writes=-((reads @ known.mT).tril(-1) @ v),
        keys=written * half,
        keep=decay.half.square(),
        added=(known * half).mT @ v,
    )
    y, state = solve_corrections(problem)
    y = y + (queries @ known.mT).tril() @ v
    return chunks_back(y, batch, tokens), state.view(batch, heads, size, -1)


def dplr_step(state: Tensor, token: DplrTokens) -> Tensor:
    """One token [B, H, ...] of the recurrence, in place on the state [B, H, K, V]: its output [B, H, V]."""
    r, log_decay, k, v, a, b = token
    memory = state.view(-1, *state.shape[2:])
    u = torch.bmm(a.reshape(memory.shape[0], 1, -1), memory).view_as(v)
    memory.mul_(log_decay.exp().view(memory.shape[0], -1, 1))
    memory.baddbmm_(torch.stack((b, k), -1).flatten(0, 1), torch.stack((u, v), -2).flatten(0, 1))
    return torch.bmm(r.reshape(memory.shape[0], 1, -1), memory).view_as(v)
