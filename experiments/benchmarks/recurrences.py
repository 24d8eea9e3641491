"""Recurrences alone, in training: ours in chunks, and the functions of others.

Inputs are such as layers make: queries and keys of length one, rates between zero and one, negative log decays. Where
others scale queries by ``K ** -0.5``, ours are scaled too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from comparison import OURS, Comparison
from layers import both_ways
from peers import MAMBA2_CHUNKS
from reference_code import fla_naive, fla_version, mamba, mamba2, qwen3_next
from torch import Tensor
from torch.nn import functional

from nas_search.space.operators.delta_rule.recurrence import chunked_delta_rule
from nas_search.space.operators.gla.gated_linear_attention import chunked_gated_linear_attention
from nas_search.space.operators.mamba.scan import selective_scan
from nas_search.space.operators.mamba2.scan import chunked_scan
from nas_search.space.operators.rwkv7.dplr import DplrTokens, chunked_dplr

HEADS = 4
MAMBA_STATE = 16

Function = Callable[..., Tensor]


class Sizes(NamedTuple):
    """Of the inputs, beside the heads: a head has keys and values of the same size."""

    batch: int
    tokens: int
    head_dim: int


class Recurrence(NamedTuple):
    """Functions of the same inputs; theirs by name."""

    inputs: tuple[Tensor, ...]
    ours: Function
    theirs: dict[str, Function]


def training_of_recurrence(code: str, sizes: Sizes) -> Comparison:
    """Forward and backward, gradients of all inputs."""
    torch.manual_seed(0)
    inputs, ours, theirs = RECURRENCES[code](sizes)
    leaves = [x.requires_grad_() for x in inputs]
    contestants = {name: both_ways(function, *leaves) for name, function in {OURS: ours, **theirs}.items()}
    return Comparison(code, "training", f"{code} alone, {HEADS} heads of {sizes.head_dim}", contestants)


def _delta_rule(sizes: Sizes) -> Recurrence:
    def ours(q: Tensor, k: Tensor, v: Tensor, beta: Tensor) -> Tensor:
        return chunked_delta_rule(q * sizes.head_dim**-0.5, k, v, beta)[0]

    def transformers(q: Tensor, k: Tensor, v: Tensor, beta: Tensor) -> Tensor:
        return _first(qwen3_next.torch_chunk_gated_delta_rule(q, k, v, torch.zeros_like(beta), beta))

    theirs: dict[str, Function] = {"transformers, chunk 64": transformers}
    if fla_version():
        theirs["fla, chunk 32"] = _heads_first(fla_naive("delta_rule").delta_rule_chunkwise)
        theirs["fla, recurrence"] = _heads_first(fla_naive("delta_rule").delta_rule_recurrence)
    return Recurrence((_unit(sizes), _unit(sizes), _normal(sizes), _rates(sizes)), ours, theirs)


def _gated_delta_rule(sizes: Sizes) -> Recurrence:
    def ours(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_decay: Tensor) -> Tensor:
        return chunked_delta_rule(q * sizes.head_dim**-0.5, k, v, beta, log_decay)[0]

    def of(rule: Callable[..., Any]) -> Function:
        return lambda q, k, v, beta, log_decay: _first(rule(q, k, v, beta=beta, g=log_decay))

    theirs = {"transformers, chunk 64": of(qwen3_next.torch_chunk_gated_delta_rule)}
    if fla_version():
        theirs["fla, chunk 64"] = of(fla_naive("gated_delta_rule").naive_chunk_gated_delta_rule)
        theirs["fla, recurrence"] = of(fla_naive("gated_delta_rule").naive_recurrent_gated_delta_rule)
    inputs = (_unit(sizes), _unit(sizes), _normal(sizes), _rates(sizes), -_rates(sizes))
    return Recurrence(inputs, ours, theirs)


def _gated_linear_attention(sizes: Sizes) -> Recurrence:
    def ours(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor) -> Tensor:
        return chunked_gated_linear_attention(q * sizes.head_dim**-0.5, k, v, log_decay)[0]

    theirs: dict[str, Function] = {}
    if fla_version():
        theirs["fla, recurrence"] = lambda *inputs: _first(fla_naive("gla").naive_recurrent_gla(*inputs))
    log_decay = functional.logsigmoid(_normal(sizes)) / 16
    return Recurrence((_unit(sizes), _unit(sizes), _normal(sizes), log_decay), ours, theirs)


def _rwkv7(sizes: Sizes) -> Recurrence:
    def ours(r: Tensor, k: Tensor, v: Tensor, a: Tensor, b: Tensor, log_decay: Tensor) -> Tensor:
        return chunked_dplr(DplrTokens(r * sizes.head_dim**-0.5, log_decay, k, v, a, b))[0]

    theirs: dict[str, Function] = {}
    if fla_version():
        theirs["fla, chunk 32"] = _heads_first(fla_naive("generalized_delta_rule/dplr").dplr_chunkwise)
        theirs["fla, recurrence"] = _heads_first(fla_naive("generalized_delta_rule/dplr").dplr_recurrence)
    removal = _unit(sizes)
    written = removal * torch.rand_like(removal)
    inputs = (_unit(sizes), _unit(sizes), _normal(sizes), -removal, written, -0.6 * torch.rand_like(removal))
    return Recurrence(inputs, ours, theirs)


def _mamba2(sizes: Sizes) -> Recurrence:
    rate = -torch.linspace(1, 16, HEADS)

    def ours(x: Tensor, dt: Tensor, b: Tensor, c: Tensor) -> Tensor:
        return chunked_scan(x * dt.unsqueeze(-1), dt * rate, b, c)

    def in_chunks_of(chunk: int) -> Function:
        return lambda x, dt, b, c: mamba2.mamba2_chunk_scan(x, dt, rate, b, c, chunk_size=chunk)

    shared = (sizes.batch, sizes.tokens, 1, sizes.head_dim)
    theirs = {f"transformers, chunk {chunk}": in_chunks_of(chunk) for chunk in MAMBA2_CHUNKS}
    return Recurrence((_normal(sizes), _rates(sizes) / 10, torch.randn(shared), torch.randn(shared)), ours, theirs)


def _mamba(sizes: Sizes) -> Recurrence:
    """As many channels as the heads of the others have together."""

    def ours(x: Tensor, dt: Tensor, rates: Tensor, b: Tensor, c: Tensor) -> Tensor:
        return selective_scan(x, dt, rates, b, c)[0]

    def transformers(x: Tensor, dt: Tensor, rates: Tensor, b: Tensor, c: Tensor) -> Tensor:
        y: Tensor = mamba.mamba_selective_scan(x.mT, dt.mT, rates, b.mT, c.mT)
        return y.mT

    channels = (sizes.batch, sizes.tokens, HEADS * sizes.head_dim)
    shared = (sizes.batch, sizes.tokens, MAMBA_STATE)
    rates = -torch.arange(1.0, MAMBA_STATE + 1).repeat(channels[2], 1)
    inputs = (torch.randn(channels), torch.rand(channels) / 10, rates, torch.randn(shared), torch.randn(shared))
    return Recurrence(inputs, ours, {"transformers": transformers})


RECURRENCES: dict[str, Callable[[Sizes], Recurrence]] = {
    "m": _mamba,
    "m2": _mamba2,
    "d": _delta_rule,
    "gd": _gated_delta_rule,
    "gla": _gated_linear_attention,
    "r7": _rwkv7,
}


def _normal(sizes: Sizes) -> Tensor:
    return torch.randn(sizes.batch, sizes.tokens, HEADS, sizes.head_dim)


def _unit(sizes: Sizes) -> Tensor:
    return functional.normalize(_normal(sizes), dim=-1)


def _rates(sizes: Sizes) -> Tensor:
    return torch.rand(sizes.batch, sizes.tokens, HEADS)


def _heads_first(function: Callable[..., Any]) -> Function:
    """A function whose tensors have heads before tokens, from inputs and to outputs that have not."""
    return lambda *inputs: _first(function(*(x.transpose(1, 2) for x in inputs))).transpose(1, 2)


def _first(outputs: tuple[Tensor, Tensor]) -> Tensor:
    """Without the state."""
    return outputs[0]
