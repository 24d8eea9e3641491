"""Rotary position embedding (Su et al. 2021), pairs half a head apart as in Llama and Nemotron-Flash."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nas_search.space.operators.autograd import apply

SHORTEST_TABLE = 512


def rotary_table(length: int, head_dim: int, theta: float, like: Tensor) -> Tensor:
    """Cosines and signed sines [>= length, 2, head_dim] of every position, of ``like``'s type and device.

    Lengths are rounded up to powers of two, so that growing contexts seldom ask for a new table.
    """
    rounded = max(SHORTEST_TABLE, 1 << (length - 1).bit_length())
    return _table(rounded, head_dim, theta, like.dtype, like.device)


@cache
def _table(length: int, head_dim: int, theta: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    # Tables are shared by layers, and by training and inference: an inference tensor could not be saved for backward.
    with torch.inference_mode(False):
        powers = torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim
        angles = torch.outer(torch.arange(length, dtype=torch.float64), theta**-powers)
        cosines = torch.cat((angles.cos(), angles.cos()), -1)
        sines = torch.cat((-angles.sin(), angles.sin()), -1)
        return torch.stack((cosines, sines), 1).to(device, dtype)


def rotate(x: Tensor, rows: Tensor) -> Tensor:
    """Rotate heads x [B, T, heads, D] by the table's rows [T, 2, D] of their positions."""
    cosines, signed_sines = rows.unsqueeze(-2).unbind(-3)
    return apply(_Rotate, x, cosines, signed_sines)


def rotate_(x: Tensor, row: Tensor) -> Tensor:
    """Rotate heads x [B, heads, D] in place by one row [1, 2, D]; not differentiable."""
    cosines, signed_sines = row.unbind(1)
    partner = x.roll(x.shape[-1] // 2, -1)
    return x.mul_(cosines).addcmul_(partner, signed_sines)


class _Rotate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cosines: Tensor, signed_sines: Tensor) -> Tensor:
        ctx.save_for_backward(cosines, signed_sines)
        return (x * cosines).addcmul_(x.roll(x.shape[-1] // 2, -1), signed_sines)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        # The inverse of a rotation turns the other way.
        cosines, signed_sines = ctx.saved_tensors
        partner = grad.roll(grad.shape[-1] // 2, -1)
        return (grad * cosines).addcmul_(partner, signed_sines, value=-1), None, None
