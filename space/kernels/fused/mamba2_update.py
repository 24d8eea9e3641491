"""Mamba-2's recurrence for one token: decay, outer product into the state, read-out."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from nas_search.space.kernels.fused.blocks import STATE_BLOCK, ceil_div, power_of_two, state_warps
from nas_search.space.kernels.fused.elementwise import softplus
from nas_search.space.operators.mamba2.module import Mamba2Module


def mamba2_update(mixer: Mamba2Module, projected: Tensor, state: Tensor) -> Tensor:
    """The output y [B, H * P] in float32, in place on the state [B, H, P, N].

    ``projected`` has the rows of z, x, B, C and dt of ``mixer.in_proj``, those of x, B and C after the convolution::

        dt = softplus(dt + dt_bias)    S = exp(-exp(A_log) dt) S + dt x B^T    y = S C + D x
    """
    batch, sizes = len(projected), mixer.sizes
    shared = sizes.groups * sizes.state
    _, x, b, c, dt = projected.split_with_sizes((sizes.inner, sizes.inner, shared, shared, sizes.heads), -1)
    out = projected.new_empty(batch, sizes.inner, dtype=torch.float32)
    block, columns = min(power_of_two(sizes.head_dim), STATE_BLOCK), power_of_two(sizes.state)
    _mamba2_update[sizes.heads, ceil_div(sizes.head_dim, block), batch](
        x, b, c, dt, mixer.dt_bias, mixer.A_log, mixer.D, state, out,
        projected.stride(0), sizes.heads, sizes.heads // sizes.groups, sizes.head_dim, sizes.state,
        BLOCK=block, COLUMNS=columns, num_warps=state_warps(block * columns), enable_fp_fusion=True,
    )  # fmt: skip
    return out


@triton.jit
def _mamba2_update(
    x: tl.tensor,
    b: tl.tensor,
    c: tl.tensor,
    dt: tl.tensor,
    dt_bias: tl.tensor,
    A_log: tl.tensor,
    D: tl.tensor,
    state: tl.tensor,
    out: tl.tensor,
    stride: tl.tensor,
    heads: tl.tensor,
    heads_per_group: tl.tensor,
    head_dim: tl.tensor,
    size: tl.tensor,
    BLOCK: tl.constexpr,
    COLUMNS: tl.constexpr,
) -> None:
    head, sequence = tl.program_id(0), tl.program_id(2)
    p, n = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK), tl.arange(0, COLUMNS)
    row = sequence * stride
    slot = state + ((sequence * heads + head) * head_dim + p[:, None]) * size + n[None, :]
    inside = (p < head_dim)[:, None] & (n < size)[None, :]
    memory = tl.load(slot, inside, 0.0).to(tl.float32)
    # Several threads may hold the same element: all of them have read before one of them writes.
    tl.debug_barrier()
    shared = row + head // heads_per_group * size + n
    write = tl.load(b + shared, n < size, 0.0).to(tl.float32)
    read = tl.load(c + shared, n < size, 0.0).to(tl.float32)
    u = tl.load(x + row + head * head_dim + p, p < head_dim, 0.0).to(tl.float32)
    step = softplus(tl.load(dt + row + head).to(tl.float32) + tl.load(dt_bias + head).to(tl.float32))
    decay = tl.exp(-tl.exp(tl.load(A_log + head).to(tl.float32)) * step)
    memory = memory * decay + (u * step)[:, None] * write[None, :]
    tl.store(slot, memory, inside)
    y = tl.sum(memory * read[None, :], 1) + tl.load(D + head).to(tl.float32) * u
    tl.store(out + (sequence * heads + head) * head_dim + p, y, p < head_dim)
