"""The delta rule, with or without a decay for each head, in chunks and for one token, in plain PyTorch.

The recurrence of one head, with state S [K, V] and decay a_t = exp(g_t), which is 1 without a gate::

    u_t = beta_t (v_t - a_t S_{t-1}^T k_t)        S_t = a_t S_{t-1} + k_t u_t^T        y_t = S_t^T q_t

(Yang et al. 2024 for the rule in chunks; Yang, Kautz and Hatamizadeh 2025, section 3, for the gate.) With G the running
sum of g in a chunk, :mod:`~nas_search.space.operators.correction` solves it for ``r = beta k exp(G)``, ``w = beta v``,
``A_ij = beta_i k_i.k_j exp(G_i - G_j)``, ``M_ij = q_i.k_j exp(G_i - G_j)``, queries ``q exp(G)``, keys
``k exp(G_last - G)`` and ``keep = exp(G_last)``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nas_search.space.operators.chunking import chunk_length, chunks_back, chunks_first
from nas_search.space.operators.correction import Corrections, chunk_for, solve_corrections
from nas_search.space.operators.decay import decay_between, sum_after


class DeltaToken(NamedTuple):
    """What a token brings: q, k [..., H, K], v [..., H, V], beta [..., H], and log decays [..., H] if there are any."""

    q: Tensor
    k: Tensor
    v: Tensor
    beta: Tensor
    log_decay: Tensor | None = None


def chunked_delta_rule(
    q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_decay: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Outputs [B, T, H, V] and the state [B, H, K, V] after the last token, which has no gradient.

    q and k are [B, T, H, K], v is [B, T, H, V], beta and log decays (at most 0) are [B, T, H].
    """
    batch, tokens, heads, size = q.shape
    length = chunk_length(tokens, chunk_for(size))
    q, k, v, beta = (chunks_first(x, length) for x in (q, k, v, beta.unsqueeze(-1)))
    if log_decay is None:
        problem = _plain(q, k, v, beta)
    else:
        problem = _decayed(q, k, v, beta, chunks_first(log_decay.unsqueeze(-1), length))
    y, state = solve_corrections(problem)
    return chunks_back(y, batch, tokens), state.view(batch, heads, size, -1)


def _plain(q: Tensor, k: Tensor, v: Tensor, beta: Tensor) -> Corrections:
    scaled = k * beta
    return Corrections(q @ k.mT, scaled @ k.mT, q, scaled, v * beta, k)


def _decayed(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_decay: Tensor) -> Corrections:
    scaled = k * beta
    between = decay_between(log_decay.squeeze(-1))
    from_start, to_end = log_decay.cumsum(-2).exp(), sum_after(log_decay).exp()
    return Corrections(
        q @ k.mT * between,
        scaled @ k.mT * between,
        q * from_start,
        scaled * from_start,
        v * beta,
        k * to_end,
        from_start[..., -1:, :],
    )


def delta_step(state: Tensor, token: DeltaToken) -> Tensor:
    """One token of the recurrence, in place on the state [B, H, K, V]: its output [B, H, V]."""
    q, k, v, beta, log_decay = token
    if log_decay is not None:
        state.mul_(log_decay.exp().unsqueeze(-1).unsqueeze(-1))
    memory = state.view(-1, *state.shape[2:])
    keys = k.reshape(memory.shape[0], 1, -1)
    recalled = torch.bmm(keys, memory).view_as(v)
    correction = (v - recalled).mul_(beta.unsqueeze(-1))
    memory.baddbmm_(keys.mT, correction.view(memory.shape[0], 1, -1))
    return torch.bmm(q.reshape(memory.shape[0], 1, -1), memory).view_as(v)
