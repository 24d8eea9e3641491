"""RMSNorm, projection and, on some of the projected rows, a short convolution with SiLU: one launch."""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from nas_search.space.kernels.fused.blocks import choose_blocks
from nas_search.space.kernels.fused.elementwise import silu
from nas_search.space.kernels.fused.normed_products import normed_products
from nas_search.space.operators.module import Projection
from nas_search.space.operators.rms_norm import RMSNorm
from nas_search.space.operators.short_convolution import ShortConvolution


class ConvolvedRows(NamedTuple):
    """The projected rows from ``first`` on that are convolved, and the convolution's state [B, K - 1, channels]."""

    first: int
    convolution: ShortConvolution
    state: Tensor


def norm_project(
    x: Tensor,
    norm: RMSNorm,
    projection: Projection,
    convolved: ConvolvedRows | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """``projection(norm(x))`` [B, N] of x [B, C], computed in float32 and stored as ``dtype``.

    Convolved rows come out as ``silu(convolution.step(...))``, and their inputs are shifted into the state.
    """
    batch, width = x.shape
    rows = projection.out_features
    out = x.new_empty(batch, rows, dtype=dtype)
    taps, channels = 0, 0
    first, kernel, kernel_bias, state = 0, None, None, None
    if convolved is not None:
        first, state = convolved.first, convolved.state
        kernel, kernel_bias = convolved.convolution.weight, convolved.convolution.bias
        taps, channels = convolved.convolution.weight.shape
    blocks = choose_blocks(batch, rows, width)
    _norm_project[blocks.grid(batch, rows)](
        x, norm.weight, projection.weight, projection.bias, out, kernel, kernel_bias, state,
        batch, rows, width, norm.eps, first, channels,
        TAPS=taps, VECTORS=blocks.vectors, ROWS=blocks.rows, COLUMNS=blocks.columns, COLUMN_BLOCKS=blocks.along(width),
        num_warps=blocks.warps, enable_fp_fusion=True,
    )  # fmt: skip
    return out


@triton.jit
def _norm_project(
    x: tl.tensor,
    gain: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    out: tl.tensor,
    kernel: tl.tensor,
    kernel_bias: tl.tensor,
    state: tl.tensor,
    batch: tl.tensor,
    rows: tl.tensor,
    width: tl.tensor,
    eps: tl.tensor,
    first: tl.tensor,
    channels: tl.tensor,
    TAPS: tl.constexpr,
    VECTORS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    COLUMN_BLOCKS: tl.constexpr,
) -> None:
    n = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    b = tl.program_id(1) * VECTORS + tl.arange(0, VECTORS)
    y = normed_products(x, gain, weight, b, n, batch, rows, width, eps, COLUMNS, COLUMN_BLOCKS)
    if bias is not None:
        y += tl.load(bias + n, n < rows, 0.0).to(tl.float32)
    inside = (b < batch)[:, None] & (n < rows)[None, :]
    if TAPS > 0:
        channel = n - first
        convolved = inside & (channel >= 0) & (channel < channels)
        y = tl.where(convolved, convolve(y, kernel, kernel_bias, state, b, channel, convolved, channels, TAPS), y)
    tl.store(out + b[:, None] * rows + n, y, inside)


@triton.jit
def convolve(
    y: tl.tensor,
    kernel: tl.tensor,
    bias: tl.tensor,
    state: tl.tensor,
    b: tl.tensor,
    channel: tl.tensor,
    inside: tl.tensor,
    channels: tl.tensor,
    TAPS: tl.constexpr,
) -> tl.tensor:
    """``silu`` of the convolution at inputs y [vectors, channels of this program], which are shifted into the state.

    A channel belongs to one program, so no other one reads or writes its part of the state [B, TAPS - 1, channels].
    """
    known = ((channel >= 0) & (channel < channels))[None, :]
    at = kernel + channel[None, :]
    slot = state + b[:, None] * ((TAPS - 1) * channels) + channel[None, :]
    mixed = y * tl.load(at + (TAPS - 1) * channels, known, 0.0).to(tl.float32)
    for tap in tl.static_range(TAPS - 1):
        past = tl.load(slot + tap * channels, inside, 0.0).to(tl.float32)
        mixed += past * tl.load(at + tap * channels, known, 0.0).to(tl.float32)
    if bias is not None:
        mixed += tl.load(bias + channel[None, :], known, 0.0).to(tl.float32)
    for tap in tl.static_range(1, TAPS - 1):
        past = tl.load(slot + tap * channels, inside, 0.0)
        # Several threads may hold the same element: all of them have read before one of them writes.
        tl.debug_barrier()
        tl.store(slot + (tap - 1) * channels, past, inside)
    if TAPS > 1:
        tl.debug_barrier()
        tl.store(slot + (TAPS - 2) * channels, y, inside)
    return silu(mixed)
