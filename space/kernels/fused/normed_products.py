"""The first half of a step: the products of normalised vectors with rows of a weight."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def normed_products(
    x: tl.tensor,
    gain: tl.tensor,
    weight: tl.tensor,
    b: tl.tensor,
    n: tl.tensor,
    batch: tl.tensor,
    rows: tl.tensor,
    width: tl.tensor,
    eps: tl.tensor,
    COLUMNS: tl.constexpr,
    COLUMN_BLOCKS: tl.constexpr,
) -> tl.tensor:
    """``W_n . (x_b / sqrt(mean(x_b^2) + eps) * gain)`` for vectors b and rows n: [len(b), len(n)] in float32.

    x is [batch, width], weight [rows, width]; both are read once, since the root can be divided by at the end.
    """
    sums = tl.zeros([b.shape[0], n.shape[0], COLUMNS], tl.float32)
    squares = tl.zeros([b.shape[0], 1, COLUMNS], tl.float32)
    vector, row = b[:, None, None], n[None, :, None]
    for block in range(COLUMN_BLOCKS):
        c = (block * COLUMNS + tl.arange(0, COLUMNS))[None, None, :]
        w = tl.load(weight + row * width + c, (row < rows) & (c < width), 0.0).to(tl.float32)
        values = tl.load(x + vector * width + c, (vector < batch) & (c < width), 0.0).to(tl.float32)
        squares += values * values
        sums += values * tl.load(gain + c, c < width, 0.0).to(tl.float32) * w
    return tl.sum(sums, 2) * tl.rsqrt(tl.sum(squares, 2) / width + eps)
