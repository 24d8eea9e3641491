"""The state-space dual form of Mamba-2 (Dao and Gu 2024, section 6) in plain PyTorch.

The recurrence of one head, with state S [N, P], decay ``exp(l_t)`` and input ``u_t``::

    S_t = exp(l_t) S_{t-1} + b_t u_t^T        y_t = c_t^T S_t

With L_t the sum of l from the start of t's chunk, and S the state before the chunk::

    y_i = sum_{j <= i} (c_i . b_j) exp(L_i - L_j) u_j + exp(L_i) c_i^T S
    S'  = exp(L_last) S + sum_j exp(L_last - L_j) b_j u_j^T

so a chunk is a few matrix products, and only the states go from chunk to chunk. The Gram matrix ``c_i . b_j`` is
shared by all heads of a group.

The gradient is written out, since it is far cheaper than what automatic differentiation finds. Both terms of y_i are
proportional to exp(L_i), everything that u_j enters to exp(-L_j), and all of S' to exp(L_last); therefore
``dL_i = y_i . dy_i - u_i . du_i``, plus ``S' . dS'`` for the last token of the chunk.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nas_search.space.operators.autograd import apply
from nas_search.space.operators.chunking import chunk_length, from_chunks, into_chunks
from nas_search.space.operators.decay import segment_decay

CHUNK = 64
# Half a megabyte of float32, a part of the second-level cache of one core.
CACHED_ELEMENTS = 1 << 17


class Chunks(NamedTuple):
    """A sequence cut up, tokens before heads: u [B, n, L, H, P]; ``total`` [B, n, H, L] is the running sum of log
    decays of each chunk; b and c [B, n, G, L, N].
    """

    u: Tensor
    total: Tensor
    b: Tensor
    c: Tensor

    @property
    def groups(self) -> int:
        """Groups of heads that share b and c."""
        return self.b.shape[2]


def chunked_scan(u: Tensor, log_decay: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Outputs [B, T, H, P] of u [B, T, H, P], log decays [B, T, H] (at most 0), b and c [B, T, G, N]."""
    chunks = _cut(u, log_decay, b, c)
    y = apply(_Scan, *chunks) if torch.is_grad_enabled() else _scan(chunks)[0]
    return from_chunks(y, u.shape[1])


def scan_with_state(u: Tensor, log_decay: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The same without a gradient, and the state [B, H, P, N] after the last token."""
    chunks = _cut(u, log_decay, b, c)
    y, states = _scan(chunks)
    heads, size = u.shape[2:]
    final = _advance(chunks, states[:, -1], -1)
    return from_chunks(y, u.shape[1]), final.mT.reshape(len(u), heads, size, -1)


def _cut(u: Tensor, log_decay: Tensor, b: Tensor, c: Tensor) -> Chunks:
    length = chunk_length(u.shape[1], CHUNK)
    u, log_decay, b, c = (into_chunks(x, length) for x in (u, log_decay, b, c))
    # Padded tokens add nothing (u = 0) and forget nothing (log decay 0).
    return Chunks(u, log_decay.transpose(2, 3).cumsum(3), b.transpose(2, 3), c.transpose(2, 3))


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, total: Tensor, b: Tensor, c: Tensor) -> Tensor:
        chunks = Chunks(u, total, b, c)
        y, states = _scan(chunks)
        ctx.save_for_backward(*chunks, y, states)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        *saved, y, states = ctx.saved_tensors
        chunks = Chunks(*saved)
        parts = zip(_portions(chunks), torch.split(grad, _portion(chunks)), strict=True)
        grad_u, grad_b, grad_c = map(torch.cat, zip(*(_within_backward(*part) for part in parts), strict=True))
        carried = None
        if chunks.u.shape[1] > 1:
            carried = _between_backward(chunks, states, grad, (grad_u, grad_b, grad_c))
        grad_total = torch.linalg.vecdot(grad, y).sub_(torch.linalg.vecdot(chunks.u, grad_u))
        if carried is not None:
            grad_total[:, :-1, -1].add_(carried)
        return grad_u, grad_total.transpose(2, 3), grad_b, grad_c


def _scan(chunks: Chunks) -> tuple[Tensor, Tensor]:
    """Outputs [B, n, L, H, P] and states [B, n, G, N, H / G * P] before each chunk."""
    y = torch.cat([_within(part) for part in _portions(chunks)])
    states = _states(chunks)
    if states.shape[1] > 1:
        read = _by_head(chunks.c[:, 1:] @ states[:, 1:], chunks)
        y[:, 1:].addcmul_(read, _per_token(chunks.total[:, 1:].exp()))
    return y, states


def _portion(chunks: Chunks) -> int:
    """Sequences whose [L, L] matrices stay in cache together."""
    _, count, length, heads, _ = chunks.u.shape
    return max(1, CACHED_ELEMENTS // (count * heads * length**2))


def _portions(chunks: Chunks) -> list[Chunks]:
    return [Chunks(*part) for part in zip(*(torch.split(x, _portion(chunks)) for x in chunks), strict=True)]


def _weights(chunks: Chunks) -> tuple[Tensor, Tensor]:
    """``exp(L_i - L_j)`` and, for j <= i, the same times ``c_i . b_j``: [B, n, H, L, L]."""
    decay = segment_decay(chunks.total)
    gram = (chunks.c @ chunks.b.mT).tril_().unsqueeze(3)
    return decay, (torch.unflatten(decay, 2, (chunks.groups, -1)) * gram).flatten(2, 3)


def _within(chunks: Chunks) -> Tensor:
    """What tokens receive from their own chunk: [B, n, L, H, P]."""
    _, weights = _weights(chunks)
    return (weights @ chunks.u.transpose(2, 3)).transpose(2, 3)


def _within_backward(chunks: Chunks, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of u, b and c from the products inside chunks."""
    decay, weights = _weights(chunks)
    grad = grad.transpose(2, 3).contiguous()
    grad_u = (weights.mT @ grad).transpose(2, 3)
    grad_weights = torch.matmul(grad, chunks.u.permute(0, 1, 3, 4, 2), out=weights).mul_(decay)
    grad_gram = torch.unflatten(grad_weights, 2, (chunks.groups, -1)).sum(3).tril_()
    return grad_u, grad_gram.mT @ chunks.c, grad_gram @ chunks.b


def _states(chunks: Chunks) -> Tensor:
    """The state [B, n, G, N, H / G * P] before each chunk."""
    batch, count, _, heads, size = chunks.u.shape
    shape = (batch, chunks.groups, chunks.b.shape[-1], heads // chunks.groups * size)
    states = [chunks.u.new_zeros(shape)]
    for index in range(count - 1):
        states.append(_advance(chunks, states[-1], index))
    return torch.stack(states, 1)


def _advance(chunks: Chunks, state: Tensor, index: int) -> Tensor:
    """The state after chunk ``index``."""
    one = Chunks(*(part[:, index : index + 1 or None] for part in chunks))
    added = one.b.mT @ _by_group(one.u * _per_token(_to_end(one.total)), one.groups)
    return torch.addcmul(added.squeeze(1), state, _kept(chunks, index))


def _between_backward(chunks: Chunks, states: Tensor, grad: Tensor, into: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Add the gradients of u, b and c through the states; ``S' . dS'`` [B, n - 1, H] of all chunks but the last."""
    grad_u, grad_b, grad_c = into
    count = chunks.u.shape[1]
    grad_read = _by_group(grad[:, 1:] * _per_token(chunks.total[:, 1:].exp()), chunks.groups)
    grad_c[:, 1:].add_(grad_read @ states[:, 1:].mT)
    grads = list((chunks.c[:, 1:].mT @ grad_read).unbind(1))
    for index in range(count - 2, 0, -1):
        grads[index - 1].addcmul_(grads[index], _kept(chunks, index))
    grad_states = torch.stack(grads, 1)
    to_end = _per_token(_to_end(chunks.total[:, :-1]))
    weighted = _by_group(chunks.u[:, :-1] * to_end, chunks.groups)
    grad_b[:, :-1].add_(weighted @ grad_states.mT)
    grad_u[:, :-1].addcmul_(_by_head(chunks.b[:, :-1] @ grad_states, chunks), to_end)
    heads, size = chunks.u.shape[3:]
    product = (states[:, 1:] * grad_states).sum(3)
    return product.view(len(product), count - 1, heads, size).sum(-1)


def _to_end(total: Tensor) -> Tensor:
    """``exp(L_last - L_j)``."""
    return (total[..., -1:] - total).exp_()


def _kept(chunks: Chunks, index: int) -> Tensor:
    """``exp(L_last)`` of one chunk, for a state [B, G, N, H / G * P]."""
    kept = chunks.total[:, index, :, -1].exp()
    return torch.unflatten(kept.repeat_interleave(chunks.u.shape[-1], 1), 1, (chunks.groups, 1, -1))


def _per_token(x: Tensor) -> Tensor:
    """[B, n, H, L] as [B, n, L, H, 1]."""
    return x.transpose(2, 3).unsqueeze(-1)


def _by_group(x: Tensor, groups: int) -> Tensor:
    """[B, n, L, H, P] as [B, n, G, L, H / G * P]."""
    return torch.unflatten(x.flatten(3), 3, (groups, -1)).transpose(2, 3)


def _by_head(x: Tensor, chunks: Chunks) -> Tensor:
    """[B, n, G, L, H / G * P] as [B, n, L, H, P]."""
    return torch.unflatten(x.transpose(2, 3).flatten(3), 3, chunks.u.shape[3:])
