"""Norm and gate of a mixer's output, output projection and residual: one launch."""

from __future__ import annotations

from typing import NamedTuple

import triton
import triton.language as tl
from torch import Tensor

from nas_search.space.kernels.fused.blocks import choose_blocks, power_of_two
from nas_search.space.kernels.fused.elementwise import silu
from nas_search.space.operators.module import Projection
from nas_search.space.operators.rms_norm import RMSNorm


class ReadOut(NamedTuple):
    """What happens to a mixer's output y [B, I] before the projection.

    Each ``group`` of neighbours is normalised by itself; the gain of ``norm`` has I numbers, or those of one group for
    all of them. The gate [B, I], if there is one, is part of a projection: its rows may be apart. silu(gate) multiplies
    y before the norm if ``gate_first``, else what the norm returns.
    """

    norm: RMSNorm
    group: int
    gate: Tensor | None = None
    gate_first: bool = False


def project_residual(residual: Tensor, y: Tensor, projection: Projection, read_out: ReadOut | None = None) -> Tensor:
    """``residual + projection(read_out(y))`` [B, C] of residual [B, C] and y [B, I]; the projection has no bias."""
    batch, inner = y.shape
    rows = projection.out_features
    out = residual.new_empty(batch, rows)
    gain, eps, group, gate, gate_first = None, 0.0, 1, None, False
    if read_out is not None:
        gain, eps, group = read_out.norm.weight, read_out.norm.eps, read_out.group
        gate, gate_first = read_out.gate, read_out.gate_first
    padded = power_of_two(group)
    length = inner // group * padded
    blocks = choose_blocks(batch, rows, length, least_columns=padded)
    _project_residual[blocks.grid(batch, rows)](
        residual, y, projection.weight, out, gain, gate,
        batch, rows, inner, 0 if gate is None else gate.stride(0), eps,
        GROUP=group, PADDED=padded, SHARED_GAIN=gain is not None and gain.numel() == group, GATE_FIRST=gate_first,
        VECTORS=blocks.vectors, ROWS=blocks.rows, COLUMNS=blocks.columns, COLUMN_BLOCKS=blocks.along(length),
        num_warps=blocks.warps, enable_fp_fusion=True,
    )  # fmt: skip
    return out


@triton.jit
def _project_residual(
    residual: tl.tensor,
    y: tl.tensor,
    weight: tl.tensor,
    out: tl.tensor,
    gain: tl.tensor,
    gate: tl.tensor,
    batch: tl.tensor,
    rows: tl.tensor,
    inner: tl.tensor,
    gate_stride: tl.tensor,
    eps: tl.tensor,
    GROUP: tl.constexpr,
    PADDED: tl.constexpr,
    SHARED_GAIN: tl.constexpr,
    GATE_FIRST: tl.constexpr,
    VECTORS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    COLUMN_BLOCKS: tl.constexpr,
) -> None:
    n = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    b = tl.program_id(1) * VECTORS + tl.arange(0, VECTORS)
    vector, row = b[:, None, None], n[None, :, None]
    sums = tl.zeros([VECTORS, ROWS, COLUMNS], tl.float32)
    for block in range(COLUMN_BLOCKS):
        # Groups are padded to powers of two, so that a block holds whole ones.
        at = (block * COLUMNS + tl.arange(0, COLUMNS))[None, None, :]
        c = at // PADDED * GROUP + at % PADDED
        real = (at % PADDED < GROUP) & (c < inner)
        known = real & (vector < batch)
        w = tl.load(weight + row * inner + c, real & (row < rows), 0.0).to(tl.float32)
        values = tl.load(y + vector * inner + c, known, 0.0).to(tl.float32)
        if gate is not None:
            gates = silu(tl.load(gate + vector * gate_stride + c, known, 0.0).to(tl.float32))
            if GATE_FIRST:
                values *= gates
        if gain is not None:
            parts = tl.reshape(values, (VECTORS, COLUMNS // PADDED, PADDED))
            inverse = tl.rsqrt(tl.sum(parts * parts, 2, keep_dims=True) / GROUP + eps)
            gains = tl.load(gain + (at % PADDED if SHARED_GAIN else c), real, 0.0).to(tl.float32)
            values = tl.reshape(parts * inverse, (VECTORS, 1, COLUMNS)) * gains
        if gate is not None and not GATE_FIRST:
            values *= gates
        sums += values * w
    inside = (b < batch)[:, None] & (n < rows)[None, :]
    at = b[:, None] * rows + n[None, :]
    tl.store(out + at, tl.load(residual + at, inside, 0.0).to(tl.float32) + tl.sum(sums, 2), inside)
