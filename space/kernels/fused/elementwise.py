"""Functions of single numbers, in float32, for use inside kernels."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def silu(x: tl.tensor) -> tl.tensor:
    """``x * sigmoid(x)``."""
    return x * tl.sigmoid(x)


@triton.jit
def softplus(x: tl.tensor) -> tl.tensor:
    """``log(1 + exp(x))``.

    Far below zero it is exp(x), which 1 + exp(x) would round away: the quotient makes up for that rounding.
    """
    small = tl.exp(-tl.abs(x))
    rounded = 1 + small
    log = tl.where(rounded > 1, tl.log(rounded) * (small / tl.maximum(rounded - 1, 1e-30)), small)
    return tl.maximum(x, 0) + log
