"""RMSNorm, gate and up projections and SwiGLU: one launch."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from nas_search.space.kernels.fused.blocks import choose_blocks
from nas_search.space.kernels.fused.elementwise import silu
from nas_search.space.kernels.fused.normed_products import normed_products
from nas_search.space.operators.module import Projection
from nas_search.space.operators.rms_norm import RMSNorm


def norm_swiglu(x: Tensor, norm: RMSNorm, gate_up: Projection) -> Tensor:
    """``silu(gate) * up`` [B, hidden] in float32 of x [B, C].

    ``gate_up`` holds the rows of gate, then those of up, and has no bias.
    """
    batch, width = x.shape
    rows = gate_up.out_features
    out = x.new_empty(batch, rows // 2, dtype=torch.float32)
    blocks = choose_blocks(batch, rows, width, least_rows=2)
    _norm_swiglu[blocks.grid(batch, rows)](
        x, norm.weight, gate_up.weight, out, batch, rows, width, norm.eps,
        VECTORS=blocks.vectors, ROWS=blocks.rows, COLUMNS=blocks.columns, COLUMN_BLOCKS=blocks.along(width),
        num_warps=blocks.warps, enable_fp_fusion=True,
    )  # fmt: skip
    return out


@triton.jit
def _norm_swiglu(
    x: tl.tensor,
    gain: tl.tensor,
    weight: tl.tensor,
    out: tl.tensor,
    batch: tl.tensor,
    rows: tl.tensor,
    width: tl.tensor,
    eps: tl.tensor,
    VECTORS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    COLUMN_BLOCKS: tl.constexpr,
) -> None:
    hidden = rows // 2
    # Gate and up rows of the same output take turns, so that one thread gets both.
    turn = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    n = tl.where(turn < rows, turn // 2 + turn % 2 * hidden, rows)
    b = tl.program_id(1) * VECTORS + tl.arange(0, VECTORS)
    y = normed_products(x, gain, weight, b, n, batch, rows, width, eps, COLUMNS, COLUMN_BLOCKS)
    gate, up = tl.split(tl.reshape(y, (VECTORS, ROWS // 2, 2)))
    unit = tl.program_id(0) * (ROWS // 2) + tl.arange(0, ROWS // 2)
    tl.store(
        out + b[:, None] * hidden + unit[None, :], silu(gate) * up, (b < batch)[:, None] & (unit < hidden)[None, :]
    )
