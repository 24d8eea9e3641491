"""Products of decays between the tokens of a chunk, without overflow and without denormal numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from nas_search.space.operators.autograd import apply

# exp(-60) is 1e-26: beyond the precision of float64 beside any sum that it could enter.
SMALLEST_LOG_DECAY = -60.0


def segment_decay(total: Tensor) -> Tensor:
    """``exp(L_i - L_j)`` [..., L, L] from running sums L [..., L]; above the diagonal it is 1 and must not be used.

    Clamped before the exponential: above the diagonal the difference is positive and would overflow, and far below
    it results too small to matter would be denormal numbers, with which processors are slow. Not differentiable.
    """
    difference: Tensor = total.unsqueeze(-1) - total.unsqueeze(-2)
    return difference.clamp_(SMALLEST_LOG_DECAY, 0).exp_()


def sum_after(log_decay: Tensor) -> Tensor:
    """What is still to come for each token: the sum over the tokens after it of log decays [..., L, 1].

    Added up from the end: the whole sum less a running one would lose what strong decays leave of weak ones.
    """
    later = functional.pad(log_decay[..., 1:, :], (0, 0, 0, 1))
    summed: Tensor = later.flip(-2).cumsum(-2).flip(-2)
    return summed


def decay_between(log_decay: Tensor) -> Tensor:
    """Decay [..., L, L] from each token to those after it, from log decays [..., L].

    What stands above the diagonal is no decay and must not be used; no gradient comes from there.
    """
    return apply(_DecayBetween, log_decay)


class _DecayBetween(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, log_decay: Tensor) -> Tensor:
        # In float32 the differences of long sums would lose what strong decays leave of weak ones.
        between = segment_decay(log_decay.double().cumsum(-1)).to(log_decay.dtype)
        ctx.save_for_backward(between)
        return between

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (between,) = ctx.saved_tensors
        grad_exponent = (grad * between).tril_(-1)
        # The decay between i and j has the steps j + 1 to i: those of the sum up to i less those of the sum up to j.
        grad_total: Tensor = grad_exponent.sum(-1) - grad_exponent.sum(-2)
        return grad_total.flip(-1).cumsum(-1).flip(-1)
