"""Depthwise causal convolution over a few tokens, as a sum of shifted products.

PyTorch's depthwise ``conv1d`` wants channels before tokens and has a slow CPU gradient; shifted products keep the
layout of the projections around them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from nas_search.space.kernels import causal_conv1d
from nas_search.space.kernels.registry import Operation
from nas_search.space.operators.autograd import apply
from nas_search.space.operators.module import StateFormat


class ShortConvolution(nn.Module):
    """``y_t = sum_k weight[k] * x_{t - K + 1 + k} (+ bias)`` for each channel.

    ``weight`` is [K, channels]: transposed and with an axis of one it is the [channels, 1, K] of ``nn.Conv1d``.
    """

    if TYPE_CHECKING:

        def __call__(self, x: Tensor) -> Tensor:
            """As :meth:`forward`, typed."""

    def __init__(self, channels: int, taps: int, bias: bool) -> None:
        super().__init__()
        bound = 1 / math.sqrt(taps)
        self.weight = nn.Parameter(torch.empty(taps, channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(channels).uniform_(-bound, bound)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """A whole sequence [B, T, channels], zeros before it."""
        y: Tensor = CONVOLUTION.on(x.device)(x, self.weight, self.bias)
        return y

    def new_state(self, batch: int, form: StateFormat) -> Tensor:
        """The inputs [B, K - 1, channels] before the first token: zeros."""
        taps, channels = self.weight.shape
        return torch.zeros(batch, taps - 1, channels, device=form.device, dtype=form.cache)

    def fill_state(self, state: Tensor, x: Tensor) -> None:
        """Keep the last K - 1 inputs of x [B, T, channels]."""
        kept = min(state.shape[1], x.shape[1])
        if kept:
            state[:, : state.shape[1] - kept].zero_()
            state[:, state.shape[1] - kept :].copy_(x[:, x.shape[1] - kept :])

    def step(self, x: Tensor, state: Tensor) -> Tensor:
        """One token [B, channels]; shifts it into the state."""
        y: Tensor = CONVOLUTION_STEP.on(x.device)(state, x, self.weight, self.bias)
        return y


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The convolution of x [B, T, channels] with weight [K, channels], zeros before it."""
    return apply(_CausalConvolution, x, weight, bias)


def convolve_token(state: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The same for one token [B, channels], which is shifted into the state [B, K - 1, channels]."""
    window = torch.cat((state, x.unsqueeze(1)), 1)
    state.copy_(window[:, 1:])
    y: Tensor = torch.linalg.vecdot(window, weight, dim=1)
    return y if bias is None else y.add_(bias)


CONVOLUTION = Operation("short convolution", convolve, (causal_conv1d.CONVOLUTION,))
CONVOLUTION_STEP = Operation(
    "short convolution of one token", convolve_token, (causal_conv1d.CONVOLUTION_STEP,), in_place=True
)


class _CausalConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.biased = bias is not None
        y = x * weight[-1] if bias is None else torch.addcmul(bias, x, weight[-1])
        for delay in range(1, min(len(weight), x.shape[1])):
            y[:, delay:].addcmul_(x[:, :-delay], weight[-1 - delay])
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        x, weight = ctx.saved_tensors
        grad_x = grad * weight[-1]
        grad_weight = torch.zeros_like(weight)
        grad_weight[-1] = (grad * x).sum((0, 1))
        for delay in range(1, min(len(weight), x.shape[1])):
            grad_x[:, :-delay].addcmul_(grad[:, delay:], weight[-1 - delay])
            grad_weight[-1 - delay] = (grad[:, delay:] * x[:, :-delay]).sum((0, 1))
        return grad_x, grad_weight, grad.sum((0, 1)) if ctx.biased else None
