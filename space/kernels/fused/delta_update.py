"""The delta rule for one token, with or without a decay: read by key, write the correction, read by query."""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from nas_search.space.kernels.fused.blocks import STATE_BLOCK, ceil_div, power_of_two, state_warps
from nas_search.space.kernels.fused.elementwise import softplus
from nas_search.space.operators.delta_rule.spec import DeltaSizes

L2_EPS = tl.constexpr(1e-6)


class DecayStep(NamedTuple):
    """Log decays ``-exp(A_log) softplus(step + dt_bias)``: step [B, H] is part of a projection, the others are [H]."""

    step: Tensor
    dt_bias: Tensor
    A_log: Tensor


def delta_update(sizes: DeltaSizes, qkv: Tensor, beta: Tensor, state: Tensor, decay: DecayStep | None = None) -> Tensor:
    """The output y [B, H * V] in float32, in place on the state [B, H, K, V].

    ``qkv`` holds the convolved rows of query, key and value, ``beta`` [B, H] what goes into the sigmoid; both, and the
    step of ``decay``, are parts of one projection. With q and k at unit length and decay a, which is 1 without a gate::

        u = sigmoid(beta) (v - a S^T k)        S = a S + k u^T        y = S^T q
    """
    heads, key_dim, value_dim = sizes
    batch = len(qkv)
    q, k, v = qkv.split_with_sizes((heads * key_dim, heads * key_dim, sizes.inner), -1)
    out = qkv.new_empty(batch, sizes.inner, dtype=torch.float32)
    keys, block = power_of_two(key_dim), min(power_of_two(value_dim), STATE_BLOCK)
    _delta_update[heads, ceil_div(value_dim, block), batch](
        q, k, v, beta, *(decay or (None, None, None)), state, out,
        qkv.stride(0), heads, key_dim, value_dim,
        KEYS=keys, BLOCK=block, num_warps=state_warps(keys * block), enable_fp_fusion=True,
    )  # fmt: skip
    return out


@triton.jit
def _delta_update(
    q: tl.tensor,
    k: tl.tensor,
    v: tl.tensor,
    beta: tl.tensor,
    step: tl.tensor,
    dt_bias: tl.tensor,
    A_log: tl.tensor,
    state: tl.tensor,
    out: tl.tensor,
    stride: tl.tensor,
    heads: tl.tensor,
    key_dim: tl.tensor,
    value_dim: tl.tensor,
    KEYS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    head, sequence = tl.program_id(0), tl.program_id(2)
    i, j = tl.arange(0, KEYS), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    row = sequence * stride
    slot = state + ((sequence * heads + head) * key_dim + i[:, None]) * value_dim + j[None, :]
    inside = (i < key_dim)[:, None] & (j < value_dim)[None, :]
    memory = tl.load(slot, inside, 0.0).to(tl.float32)
    # Several threads may hold the same element: all of them have read before one of them writes.
    tl.debug_barrier()
    query = _unit(tl.load(q + row + head * key_dim + i, i < key_dim, 0.0).to(tl.float32))
    key = _unit(tl.load(k + row + head * key_dim + i, i < key_dim, 0.0).to(tl.float32))
    value = tl.load(v + row + head * value_dim + j, j < value_dim, 0.0).to(tl.float32)
    if step is not None:
        rate = tl.exp(tl.load(A_log + head).to(tl.float32))
        size = softplus(tl.load(step + row + head).to(tl.float32) + tl.load(dt_bias + head).to(tl.float32))
        memory *= tl.exp(-rate * size)
    recalled = tl.sum(memory * key[:, None], 0)
    correction = tl.sigmoid(tl.load(beta + row + head).to(tl.float32)) * (value - recalled)
    memory += key[:, None] * correction[None, :]
    tl.store(slot, memory, inside)
    y = tl.sum(memory * query[:, None], 0)
    tl.store(out + (sequence * heads + head) * value_dim + j, y, j < value_dim)


@triton.jit
def _unit(x: tl.tensor) -> tl.tensor:
    return x * tl.rsqrt(tl.sum(x * x, 0) + L2_EPS)
