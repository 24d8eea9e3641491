"""Every adapter with its operation's function and inputs for both."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from nas_search.space.kernels import fla
from nas_search.space.kernels.registry import Kernel, Operation
from nas_search.space.operators.attention import kernels as attention
from nas_search.space.operators.delta_rule import kernels as delta
from nas_search.space.operators.delta_rule.recurrence import DeltaToken
from nas_search.space.operators.gla import kernels as gla
from nas_search.space.operators.mamba import kernels as mamba
from nas_search.space.operators.mamba2 import kernels as mamba2
from nas_search.space.operators.module import Cursor
from nas_search.space.operators.rwkv7 import kernels as rwkv7
from nas_search.space.operators.rwkv7.dplr import DplrTokens
from nas_search.space.operators.short_convolution import CONVOLUTION, CONVOLUTION_STEP
from nas_search.space.operators.sliding_window.kernels import WINDOWED_ATTENTION

BATCH, TOKENS, HEADS, KEY, VALUE = 2, 19, 4, 8, 16
PRECISION = 1e-6
CUDA = torch.device("cuda")


class Case(NamedTuple):
    """A kernel, our function, their inputs, and whether the first of them is changed in place."""

    kernel: Kernel
    portable: Callable[..., Any]
    inputs: Callable[[], tuple[Any, ...]]
    in_place: bool = False


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


def unit(*shape: int) -> Tensor:
    return functional.normalize(normal(*shape), dim=-1)


def share(*shape: int) -> Tensor:
    return torch.rand(shape, dtype=torch.float64)


def of(operation: Operation, inputs: Callable[[], tuple[Any, ...]]) -> Case:
    return Case(operation.faster[0], operation.portable, inputs, operation.in_place)


def heads_first(heads: int) -> Tensor:
    """[B, heads, T, D] as attention has it: a view of tokens before heads."""
    return normal(BATCH, TOKENS, heads, VALUE).transpose(1, 2)


def attention_inputs() -> tuple[Tensor, ...]:
    return heads_first(HEADS), heads_first(2), heads_first(2)


def cache_inputs(position: int, slots: int) -> tuple[Any, ...]:
    cursor = Cursor(torch.tensor([position]), position + 1)
    return normal(BATCH, 2, HEADS // 2, VALUE), normal(BATCH, 2, 2, slots, VALUE), cursor


def bounded_cache_inputs() -> tuple[Any, ...]:
    """As in a captured CUDA graph: the host knows a bound of the position, the device the position."""
    q, cache, _ = cache_inputs(4, 12)
    return q, cache, Cursor(torch.tensor([4]), 10, torch.arange(10) <= 4)


def convolution_inputs(taps: int, bias: bool) -> tuple[Any, ...]:
    # A part of a wider projection, as in the operators.
    x = normal(BATCH, TOKENS, 30)[..., 3:19]
    return x, normal(taps, 16), normal(16) if bias else None


def convolution_step_inputs(taps: int, bias: bool) -> tuple[Any, ...]:
    return normal(BATCH, taps - 1, 16), normal(BATCH, 16), normal(taps, 16), normal(16) if bias else None


def state_space_tokens(*leading: int) -> mamba2.StateSpaceTokens:
    """Two groups of heads, state of 5."""
    sizes = (HEADS * 8, HEADS, 10, 10)
    return mamba2.StateSpaceTokens(*torch.split(normal(*leading, sum(sizes)), sizes, -1))


def rates() -> mamba2.HeadRates:
    return mamba2.HeadRates(normal(HEADS), share(HEADS), normal(HEADS))


def delta_token(*leading: int, gated: bool) -> DeltaToken:
    decay = -share(*leading, HEADS) if gated else None
    keys = (*leading, HEADS, KEY)
    return DeltaToken(unit(*keys), unit(*keys), normal(*leading, HEADS, VALUE), share(*leading, HEADS), decay)


def delta_inputs(gated: bool) -> tuple[Tensor, ...]:
    return tuple(part for part in delta_token(BATCH, TOKENS, gated=gated) if part is not None)


def gla_inputs(*leading: int) -> tuple[Tensor, ...]:
    keys = (*leading, HEADS, KEY)
    return unit(*keys), unit(*keys), normal(*leading, HEADS, VALUE), -share(*keys)


def rwkv7_tokens(*leading: int) -> DplrTokens:
    shape = (*leading, HEADS, VALUE)
    removed = unit(*shape)
    decay = fla.RWKV7_LEAST_LOG_DECAY * share(*shape)
    return DplrTokens(normal(*shape), decay, normal(*shape), normal(*shape), -removed, removed * share(*shape))


def selective_inputs() -> tuple[Tensor, ...]:
    steps, states = (BATCH, TOKENS, VALUE), (BATCH, TOKENS, 5)
    return normal(*steps), share(*steps), -share(VALUE, 5), normal(*states), normal(*states)


def memory() -> Tensor:
    return normal(BATCH, HEADS, KEY, VALUE)


CASES = {
    "attention": of(attention.CAUSAL_ATTENTION, attention_inputs),
    "window of 5": of(WINDOWED_ATTENTION, lambda: (*attention_inputs(), 5)),
    "window of 1": of(WINDOWED_ATTENTION, lambda: (*attention_inputs(), 1)),
    "window over all": of(WINDOWED_ATTENTION, lambda: (*attention_inputs(), 100)),
    "first token": of(attention.CACHED_ATTENTION, lambda: cache_inputs(0, 12)),
    "cache": of(attention.CACHED_ATTENTION, lambda: cache_inputs(6, 12)),
    "full ring": of(attention.CACHED_ATTENTION, lambda: cache_inputs(40, 12)),
    "cache under a bound": of(attention.CACHED_ATTENTION, bounded_cache_inputs),
    "convolution of 4": of(CONVOLUTION, lambda: convolution_inputs(4, True)),
    "convolution of 2": of(CONVOLUTION, lambda: convolution_inputs(2, False)),
    "convolution step of 4": of(CONVOLUTION_STEP, lambda: convolution_step_inputs(4, True)),
    "convolution step of 2": of(CONVOLUTION_STEP, lambda: convolution_step_inputs(2, False)),
    "mamba2": of(mamba2.STATE_SPACE_SCAN, lambda: (state_space_tokens(BATCH, TOKENS), rates(), 5, False)),
    "mamba2 step": of(
        mamba2.STATE_SPACE_STEP, lambda: (normal(BATCH, HEADS, 8, 5), state_space_tokens(BATCH), rates())
    ),
    "mamba": of(mamba.SELECTIVE_SCAN, selective_inputs),
    "mamba step": of(
        mamba.SELECTIVE_STEP,
        lambda: (normal(BATCH, VALUE, 5), -share(VALUE, 5), tuple(part[:, 0] for part in selective_inputs_of_tokens())),
    ),
    "delta rule": of(delta.DELTA_RULE, lambda: delta_inputs(gated=False)),
    "gated delta rule": of(delta.GATED_DELTA_RULE, lambda: delta_inputs(gated=True)),
    "delta step": of(delta.DELTA_STEP, lambda: (memory(), delta_token(BATCH, gated=False))),
    "gated delta step": of(delta.DELTA_STEP, lambda: (memory(), delta_token(BATCH, gated=True))),
    "gla": of(gla.GATED_LINEAR_ATTENTION, lambda: gla_inputs(BATCH, TOKENS)),
    "gla step": of(gla.GATED_LINEAR_ATTENTION_STEP, lambda: (memory(), *gla_inputs(BATCH))),
    "rwkv7": of(rwkv7.RWKV7, lambda: (rwkv7_tokens(BATCH, TOKENS),)),
    "rwkv7 step": of(rwkv7.RWKV7_STEP, lambda: (normal(BATCH, HEADS, VALUE, VALUE), rwkv7_tokens(BATCH))),
}  # fmt: skip


def selective_inputs_of_tokens() -> tuple[Tensor, ...]:
    u, dt, _, b, c = selective_inputs()
    return u, dt, b, c


def floats(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor) and value.is_floating_point():
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from floats(part)


def close(actual: Tensor, expected: Tensor) -> None:
    assert actual.shape == expected.shape
    assert (actual - expected).norm() <= PRECISION * expected.norm()


def convert(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, Tensor):
        return value.to(dtype, copy=True) if value.is_floating_point() else value
    if isinstance(value, tuple):
        return getattr(value, "_make", tuple)(convert(part, dtype) for part in value)
    return value


def anew(operation: Operation) -> Operation:
    """The same with kernels that nobody has loaded before."""
    return replace(operation, faster=tuple(map(replace, operation.faster)))
