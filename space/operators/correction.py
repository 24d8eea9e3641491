"""What all relatives of the delta rule share: a linear memory whose writes depend on what it already holds.

In a chunk that starts from the state S [K, V] (keys by values), tokens write corrections u [L, V] along their keys,
each correction less what its token reads, from S and from the corrections before it::

    (I + A) u = w - r S        y = q S + M u        S' = keep * S + added + k^T u

A [L, L] is strictly lower triangular and says how much a token reads of earlier corrections, M is lower triangular
and says how much its query sees of them. How the matrices come from keys, queries and decays is each operator's
business. With R = (I + A)^-1 r and W = (I + A)^-1 w, ``u = W - R S``: all but the two products with S is done for
all chunks at once (Yang et al. 2024, section 3.2).

The gradient is written out: it needs half the products that automatic differentiation does (that of a solved system
is another solved system), in the same loop run backwards.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class Corrections(NamedTuple):
    """The system of all chunks, each tensor [chunks, B * H, ...].

    ``attention`` M and ``system`` A are [L, L] (only the triangles named above are read), ``queries`` q, ``reads`` r
    and ``keys`` k are [L, K], ``writes`` w is [L, V], ``keep`` is [K, 1] or [1, 1] and ``added`` [K, V], or None for
    a memory that keeps everything, or to which nothing else is added.
    """

    attention: Tensor
    system: Tensor
    queries: Tensor
    reads: Tensor
    writes: Tensor
    keys: Tensor
    keep: Tensor | None = None
    added: Tensor | None = None


class _Solved(NamedTuple):
    """``inverse`` is that of I + A, ``reads`` R and ``writes`` W, ``states`` [K, V] is S before each chunk."""

    attention: Tensor
    inverse: Tensor
    reads: Tensor
    writes: Tensor
    corrections: Tensor
    states: Tensor


def chunk_for(head_dim: int) -> int:
    """Half a head: the work inside chunks grows with their length, that on states with the square of the head."""
    return min(64, max(16, head_dim // 2))


def solve_corrections(problem: Corrections) -> tuple[Tensor, Tensor]:
    """Outputs y [chunks, B * H, L, V] and the state [B * H, K, V] after the last chunk, which has no gradient."""
    outputs: tuple[Tensor, Tensor] = _Solve.apply(*problem)  # type: ignore[no-untyped-call]
    return outputs


class _Solve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        problem = Corrections(*inputs)
        attention, inverse = problem.attention.tril(), invert_unit_lower(problem.system)
        reads, writes = inverse @ problem.reads, inverse @ problem.writes
        corrections, states, last = _carry(problem._replace(reads=reads, writes=writes))
        y = (problem.queries @ states).flatten(0, 1)
        y = torch.baddbmm(y, attention.flatten(0, 1), corrections.flatten(0, 1)).view_as(problem.writes)
        ctx.save_for_backward(
            problem.queries, problem.keys, problem.keep, attention, inverse, reads, writes, corrections, states
        )
        ctx.adds = problem.added is not None
        ctx.mark_non_differentiable(last)
        return y, last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        queries, keys, keep, *solved = ctx.saved_tensors
        return _backward(queries, keys, keep, _Solved(*solved), grad, adds=ctx.adds)


def _carry(solved: Corrections) -> tuple[Tensor, Tensor, Tensor]:
    """Corrections and states before each chunk, and the state [B * H, K, V] after the last, from R and W."""
    keys, reads, writes = solved.keys, solved.reads, solved.writes
    state = keys.new_zeros(keys.shape[1], keys.shape[3], writes.shape[3])
    states, corrections = [], []
    for index, (key, read, write) in enumerate(zip(keys.mT.unbind(0), reads.unbind(0), writes.unbind(0), strict=True)):
        states.append(state)
        corrections.append(torch.baddbmm(write, read, state, alpha=-1))
        kept = state if solved.keep is None else state * solved.keep[index]
        if solved.added is not None:
            kept = kept + solved.added[index]
        state = torch.baddbmm(kept, key, corrections[-1])
    return torch.stack(corrections), torch.stack(states), state


def _carry_back(
    grad_u: Tensor, grad_read: Tensor, keys: Tensor, reads: Tensor, keep: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Complete gradients of corrections, and those of the state after each chunk.

    ``grad_u`` and ``grad_read`` are the gradients of corrections and of states through the outputs alone.
    """
    grad_state = torch.zeros_like(grad_read[0])
    grads_u, grads_state = [], []
    for index in reversed(range(len(keys))):
        grads_state.append(grad_state)
        grads_u.append(torch.baddbmm(grad_u[index], keys[index], grad_state))
        kept = (
            grad_state + grad_read[index] if keep is None else torch.addcmul(grad_read[index], grad_state, keep[index])
        )
        grad_state = torch.baddbmm(kept, reads[index].mT, grads_u[-1], alpha=-1)
    return torch.stack(grads_u[::-1]), torch.stack(grads_state[::-1])


def _backward(
    queries: Tensor, keys: Tensor, keep: Tensor | None, solved: _Solved, grad: Tensor, *, adds: bool
) -> tuple[Tensor | None, ...]:
    """Gradients of all fields of :class:`Corrections` from that of y."""
    grad_attention = (grad @ solved.corrections.mT).tril_()
    grad_u, grad_state = _carry_back(solved.attention.mT @ grad, queries.mT @ grad, keys, solved.reads, keep)
    grad_reads = solved.inverse.mT @ (grad_u @ solved.states.mT).neg_()
    grad_writes = solved.inverse.mT @ grad_u
    grad_system = (grad_reads @ solved.reads.mT).add_(grad_writes @ solved.writes.mT).neg_().tril_(-1)
    return (
        grad_attention,
        grad_system,
        grad @ solved.states.mT,
        grad_reads,
        grad_writes,
        solved.corrections @ grad_state.mT,
        None if keep is None else (solved.states * grad_state).sum_to_size(keep.shape),
        grad_state if adds else None,
    )


def invert_unit_lower(matrix: Tensor) -> Tensor:
    """The inverse of ``I + strict_tril(matrix)``, [..., L, L]; what is on and above the diagonal is not read.

    By substitution: the Neumann series is shorter but cancels badly when keys resemble each other.
    """
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    inverse: Tensor = torch.linalg.solve_triangular(matrix, identity.expand_as(matrix), upper=False, unitriangular=True)
    return inverse
