"""The selective scan of Mamba (Gu and Dao 2023, section 3.3) in plain PyTorch.

The recurrence of one channel, with a state h and rates A of N numbers::

    h_t = exp(dt_t A) h_{t-1} + x_t B_t        y_t = C_t . h_t        x_t = dt_t u_t

Each number of the state decays at its own rate, so chunks do not become matrix products as in Mamba-2: the work is
element-wise, and limited by memory and dispatch. The sequence is therefore cut into segments whose states
[L, B, N, I] stay in cache. Decays, inputs and read-outs are computed for a whole segment at once, and one multiply-add
runs token by token. Channels come last, so that every broadcast has a long inner loop.

The gradient is written out. It goes through the segments backwards and computes their decays and states again from the
state before each, the only one that is kept. With q_t the gradient of h_t and g_t that of the exponent dt_t A::

    q_t = C_t dy_t + exp(dt_{t+1} A) q_{t+1}        g_t = q_t exp(dt_t A) h_{t-1}
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# A megabyte of float32: the four arrays of a segment share the outer caches of one core.
CACHED_ELEMENTS = 1 << 18
# Shorter segments keep more states for the gradient, longer ones save no more time.
SHORTEST, LONGEST = 8, 32
# exp(x) is 2 ** (x * LOG2_E): on a CPU, PyTorch's ``exp2`` is much faster than its ``exp``.
LOG2_E = 1 / math.log(2)


class Tokens(NamedTuple):
    """What varies from token to token, tokens first: x and dt [L, B, I], b and c [L, B, N]."""

    x: Tensor
    dt: Tensor
    b: Tensor
    c: Tensor


def selective_scan(u: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs [B, T, I] and the state [B, I, N] after the last token, which has no gradient.

    Inputs u and step sizes dt (after softplus) are [B, T, I], rates a (negative) [I, N], b and c [B, T, N].
    """
    y, state = _SelectiveScan.apply(u, dt, a, b, c)  # type: ignore[no-untyped-call]
    return y, state


def selective_step(state: Tensor, a: Tensor, token: tuple[Tensor, ...]) -> Tensor:
    """The output [B, I] of one token, in place on the state [B, I, N]: u and dt [B, I], b and c [B, N]."""
    u, dt, b, c = token
    decay = torch.mul((dt * LOG2_E).unsqueeze(-1), a).exp2_()
    state.mul_(decay).baddbmm_((dt * u).unsqueeze(-1), b.unsqueeze(1))
    return torch.bmm(state, c.unsqueeze(-1)).squeeze(-1)


class _SelectiveScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, dt: Tensor, a: Tensor, *projected: Tensor) -> tuple[Tensor, Tensor]:
        b, c = projected
        y = torch.empty_like(u)
        segment = _Segment(u, a)
        states = [u.new_zeros(len(u), *a.mT.shape)]
        for part, into in zip(segment.cut(u * dt, dt, b, c), segment.cut(y), strict=True):
            tokens = Tokens(*part)
            after = segment.run(tokens, states[-1])[1][1:]
            into[0].copy_(_over_state(tokens.c, after))
            states.append(after[-1].clone())
        final = states.pop().mT
        ctx.save_for_backward(u, dt, a, b, c, *states)
        ctx.mark_non_differentiable(final)
        return y, final

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, ...]:
        u, dt, a, b, c, *states = ctx.saved_tensors
        segment = _SegmentGradient(u, a)
        grads = [torch.empty_like(part) for part in (u, dt, b, c)]
        parts = zip(segment.cut(u * dt, dt, b, c), segment.cut(grad), segment.cut(*grads), states, strict=True)
        for part, (grad_y,), into, state in reversed(list(parts)):
            for target, value in zip(into, segment.run_back(Tokens(*part), state, grad_y), strict=True):
                target.copy_(value)
        grad_x, grad_dt, grad_b, grad_c = grads
        grad_dt.addcmul_(grad_x, u)
        return grad_x.mul_(dt), grad_dt, segment.grad_rates.sum((0, 1)).mT, grad_b, grad_c


class _Segment:
    """The forward pass of one segment after another, in the same memory."""

    def __init__(self, u: Tensor, a: Tensor) -> None:
        self.rates = a.mT.contiguous()
        token = (len(u), *self.rates.shape)
        self.length = min(u.shape[1], max(SHORTEST, min(LONGEST, CACHED_ELEMENTS // math.prod(token))))
        self.binary_rates = self.rates * LOG2_E
        self.decay = u.new_empty(self.length, *token)
        self.states = u.new_empty(self.length + 1, *token)

    def cut(self, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """Tensors [B, T, ...] as segments [L, B, ...], views; the last may be shorter."""
        return zip(*(torch.split(x.transpose(0, 1), self.length) for x in tensors), strict=True)

    def run(self, tokens: Tokens, state: Tensor) -> tuple[Tensor, Tensor]:
        """Decays [L, B, N, I], and states [L + 1, B, N, I] that begin with the given one [B, N, I]."""
        length = len(tokens.x)
        decay, states = self.decay[:length], self.states[: length + 1]
        torch.mul(tokens.dt.unsqueeze(2), self.binary_rates, out=decay)
        torch.exp2(decay, out=decay)
        torch.mul(tokens.x.unsqueeze(2), tokens.b.unsqueeze(3), out=states[1:])
        states[0].copy_(state)
        before, *after = states.unbind(0)
        for kept, added in zip(decay.unbind(0), after, strict=True):
            before = added.addcmul_(kept, before)
        return decay, states


class _SegmentGradient(_Segment):
    """The backward pass of one segment after another, from the last.

    ``grad_rates`` [L, B, N, I] has the gradient of the rates, not yet summed over L and B.
    """

    def __init__(self, u: Tensor, a: Tensor) -> None:
        super().__init__(u, a)
        self.grad_states = torch.empty_like(self.decay)
        self.grad_rates = torch.zeros_like(self.decay)
        self.from_later = torch.zeros_like(self.decay[0])

    def run_back(self, tokens: Tokens, state: Tensor, grad: Tensor) -> tuple[Tensor, ...]:
        """Gradients of x, of dt through the decays alone, of b and of c, from that of y [L, B, I]."""
        decay, states = self.run(tokens, state)
        grads = self._grad_states(tokens, decay, grad)
        grad_x, grad_b = _over_state(tokens.b, grads), _over_channels(grads, tokens.x)
        grad_c = _over_channels(states[1:], grad)
        grads.mul_(decay).mul_(states[:-1])
        self.grad_rates[: len(grads)].addcmul_(grads, tokens.dt.unsqueeze(2))
        return grad_x, grads.mul_(self.rates).sum(2), grad_b, grad_c

    def _grad_states(self, tokens: Tokens, decay: Tensor, grad: Tensor) -> Tensor:
        """The gradients [L, B, N, I] of the states after each token."""
        grads = torch.mul(grad.unsqueeze(2), tokens.c.unsqueeze(3), out=self.grad_states[: len(grad)])
        *before, after = grads.unbind(0)
        first, *later = decay.unbind(0)
        after.add_(self.from_later)
        for kept, added in zip(reversed(later), reversed(before), strict=True):
            after = added.addcmul_(kept, after)
        torch.mul(first, after, out=self.from_later)
        return grads


def _over_state(weights: Tensor, values: Tensor) -> Tensor:
    """Sums over N of weights [L, B, N] times values [L, B, N, I]."""
    return (weights.unsqueeze(2) @ values).squeeze(2)


def _over_channels(values: Tensor, weights: Tensor) -> Tensor:
    """Sums over I of values [L, B, N, I] times weights [L, B, I]."""
    return (weights.unsqueeze(2) @ values.mT).squeeze(2)
