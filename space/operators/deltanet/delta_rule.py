"""The delta rule in chunks (Yang et al. 2024, section 3), in plain PyTorch.

The recurrence of one head, with state S [D, D]::

    S_t = S_{t-1} + k_t u_t^T,   u_t = beta_t (v_t - S_{t-1}^T k_t),   y_t = S_t^T q_t

In a chunk that starts from S the corrections solve a unit lower triangular system ``(I + A) u = beta (v - k S)`` with
``A = strict_tril(beta k k^T)``, so that with R = (I + A)^-1 (beta k) and W = (I + A)^-1 (beta v)::

    u = W - R S        y = q S + tril(q k^T) u        S' = S + k^T u

All but the two products with S is done for all chunks at once. The gradient is written out: it needs half the
products that automatic differentiation does (that of a solved system is another solved system), in the same loop
run backwards.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nas_search.space.operators.chunking import chunk_length, into_chunks


def chunk_for(head_dim: int) -> int:
    """Half a head: the work inside chunks grows with their length, that on states with the square of the head."""
    return min(64, max(16, head_dim // 2))


class Inputs(NamedTuple):
    """q, k, v [chunks, B * H, L, D] and beta [chunks, B * H, L, 1]."""

    q: Tensor
    k: Tensor
    v: Tensor
    beta: Tensor


class Solved(NamedTuple):
    """What the forward pass finds in the chunks, each [chunks, B * H, ...].

    ``attention`` [L, L] is tril(q k^T), ``inverse`` [L, L] that of I + A, ``reads_writes`` [L, 2 D] R beside W,
    ``corrections`` [L, D] u, ``states`` [D, D] S before the chunk.
    """

    attention: Tensor
    inverse: Tensor
    reads_writes: Tensor
    corrections: Tensor
    states: Tensor


def chunked_delta_rule(q: Tensor, k: Tensor, v: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs [B, T, H, D] and the state [B, H, D, D] (keys by values) after the last token.

    q, k, v are [B, T, H, D], beta is [B, T, H]. The state has no gradient.
    """
    batch, tokens, heads, size = q.shape
    length = chunk_length(tokens, chunk_for(size))
    inputs = [_chunks_first(x, length) for x in (q, k, v, beta.unsqueeze(-1))]
    y, state = _DeltaRule.apply(*inputs)  # type: ignore[no-untyped-call]
    y = y.view(-1, batch, heads, length, size).permute(1, 0, 3, 2, 4).reshape(batch, -1, heads, size)
    # Even a slice of everything costs its gradient a copy.
    return y if y.shape[1] == tokens else y[:, :tokens], state.view(batch, heads, size, size)


def _chunks_first(x: Tensor, length: int) -> Tensor:
    """[B, T, H, D] as [chunks, B * H, length, D]: the loop over chunks then cuts contiguous pieces."""
    return into_chunks(x, length).permute(1, 0, 3, 2, 4).flatten(1, 2)


class _DeltaRule(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
        scaled_keys = k * beta
        products = torch.cat((q, scaled_keys), -2) @ k.mT
        attention, system = torch.split(products, q.shape[-2], -2)
        attention, inverse = attention.tril(), invert_unit_lower(system)
        reads_writes = inverse @ torch.cat((scaled_keys, v * beta), -1)
        corrections, states, last = _carry(k, reads_writes)
        y = (q @ states).view(-1, *q.shape[-2:])
        y = torch.baddbmm(y, attention.flatten(0, 1), corrections.flatten(0, 1)).view_as(q)
        ctx.save_for_backward(q, k, v, beta, attention, inverse, reads_writes, corrections, states)
        ctx.mark_non_differentiable(last)
        return y, last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, ...]:
        saved = ctx.saved_tensors
        return _backward(Inputs(*saved[:4]), Solved(*saved[4:]), grad)


def _carry(k: Tensor, reads_writes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Corrections and states before each chunk, and the state [B * H, D, D] after the last."""
    reads, writes = torch.split(reads_writes, k.shape[-1], -1)
    state = k.new_zeros(k.shape[1], k.shape[3], writes.shape[3])
    states, corrections = [], []
    for keys, read, write in zip(k.mT.unbind(0), reads.unbind(0), writes.unbind(0), strict=True):
        states.append(state)
        corrections.append(torch.baddbmm(write, read, state, alpha=-1))
        state = torch.baddbmm(state, keys, corrections[-1])
    return torch.stack(corrections), torch.stack(states), state


def _carry_back(grad_u: Tensor, grad_read: Tensor, k: Tensor, reads: Tensor) -> tuple[Tensor, Tensor]:
    """Complete gradients of corrections, and those of the state after each chunk.

    ``grad_u`` and ``grad_read`` are the gradients of corrections and of states through the outputs alone.
    """
    grad_state = torch.zeros_like(grad_read[0])
    grads_u, grads_state = [], []
    steps = zip(grad_u.unbind(0), grad_read.unbind(0), k.unbind(0), reads.mT.unbind(0), strict=True)
    for from_output, from_read, keys, read in reversed(list(steps)):
        grads_state.append(grad_state)
        grads_u.append(torch.baddbmm(from_output, keys, grad_state))
        grad_state = torch.baddbmm(grad_state + from_read, read, grads_u[-1], alpha=-1)
    return torch.stack(grads_u[::-1]), torch.stack(grads_state[::-1])


def _backward(inputs: Inputs, solved: Solved, grad: Tensor) -> tuple[Tensor, ...]:
    """Gradients of q, k, v and beta from that of y."""
    q, k, v, beta = inputs
    size, length = q.shape[-1], q.shape[-2]
    reads = solved.reads_writes[..., :size]
    grad_attention = (grad @ solved.corrections.mT).tril_()
    grad_u, grad_state = _carry_back(solved.attention.mT @ grad, q.mT @ grad, k, reads)
    grad_reads = (grad_u @ solved.states.mT).neg_()
    grad_right = solved.inverse.mT @ torch.cat((grad_reads, grad_u), -1)
    grad_system = (grad_right @ solved.reads_writes.mT).neg_().tril_(-1)
    grad_products = torch.cat((grad_attention, grad_system), -2)
    grad_rows = grad_products @ k
    grad_q = (grad @ solved.states.mT).add_(grad_rows[..., :length, :])
    grad_scaled_keys = grad_rows[..., length:, :].add_(grad_right[..., :size])
    grad_scaled_values = grad_right[..., size:]
    grad_k = grad_products.mT @ torch.cat((q, k * beta), -2)
    grad_k.add_(solved.corrections @ grad_state.mT).addcmul_(grad_scaled_keys, beta)
    grad_beta = torch.linalg.vecdot(grad_scaled_keys, k) + torch.linalg.vecdot(grad_scaled_values, v)
    return grad_q, grad_k, grad_scaled_values * beta, grad_beta.unsqueeze(-1)


def invert_unit_lower(matrix: Tensor) -> Tensor:
    """The inverse of ``I + strict_tril(matrix)``, [..., L, L]; what is on and above the diagonal is not read.

    By substitution: the Neumann series is shorter but cancels badly when keys resemble each other.
    """
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    inverse: Tensor = torch.linalg.solve_triangular(matrix, identity.expand_as(matrix), upper=False, unitriangular=True)
    return inverse
