"""What mixers do in a graph: with states that come in and go out, for sequences of any length.

Our own scans are loops whose number of rounds depends on the sequence, some also on the data: no graph holds them. Here
a recurrence goes token by token, with the step that decoding has; projections, convolutions and gates take the sequence
as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import singledispatch

import torch
from torch import Tensor
from torch.nn import functional

from nas_search.results.export.onnx.attention import attend_sequence, attend_token
from nas_search.space.operators.attention.module import GroupedQueryAttention
from nas_search.space.operators.delta_rule.mixer import DeltaMixer
from nas_search.space.operators.delta_rule.recurrence import DeltaToken, delta_step
from nas_search.space.operators.gla.gated_linear_attention import gated_linear_attention_step
from nas_search.space.operators.gla.module import GlaModule
from nas_search.space.operators.mamba.module import MambaModule
from nas_search.space.operators.mamba.scan import selective_step
from nas_search.space.operators.mamba2.kernels import HeadRates, StateSpaceTokens, state_space_step
from nas_search.space.operators.mamba2.module import Mamba2Module
from nas_search.space.operators.module import Cursor, Mixer, State, StateFormat
from nas_search.space.operators.rwkv7.dplr import DplrTokens, dplr_step
from nas_search.space.operators.rwkv7.module import Rwkv7Module
from nas_search.space.operators.short_convolution import ShortConvolution


@singledispatch
def read_sequence(mixer: Mixer, x: Tensor) -> tuple[Tensor, State]:
    """Outputs [B, T, C] of x [B, T, C] from position 0, and the state after it."""
    state = mixer.new_state(x.shape[0], 1, StateFormat.like(x))
    return mixer(x, state), state


@singledispatch
def read_token(mixer: Mixer, x: Tensor, state: State, position: Tensor) -> tuple[Tensor, State]:
    """The output [B, C] of one token x [B, C] at ``position`` [1], and the state after it."""
    after = tuple(part.clone() for part in state)
    return mixer.step(x, after, Cursor(position, 1)), after


@read_sequence.register
def _(mixer: GroupedQueryAttention, x: Tensor) -> tuple[Tensor, State]:
    y, cache = attend_sequence(mixer, x)
    return y, (cache,)


@read_token.register
def _(mixer: GroupedQueryAttention, x: Tensor, state: State, position: Tensor) -> tuple[Tensor, State]:
    y, cache = attend_token(mixer, x, state[0], position)
    return y, (cache,)


@read_sequence.register
def _(mixer: MambaModule, x: Tensor) -> tuple[Tensor, State]:
    inputs, z = mixer.in_proj(x).chunk(2, -1)
    u = functional.silu(_convolve(mixer.conv, inputs))

    def step(memory: Tensor, *inputs: Tensor) -> Tensor:
        return selective_step(memory, inputs[4], inputs[:4])

    memory, conv = mixer.new_state(x.shape[0], 1, StateFormat.like(x))
    y, memory = _over_tokens(step, memory, (u, *mixer._select(u)), (mixer._rates(),))
    return mixer.out_proj(torch.addcmul(y, u, mixer.D) * functional.silu(z)), (memory, _last(conv, inputs))


@read_sequence.register
def _(mixer: Mamba2Module, x: Tensor) -> tuple[Tensor, State]:
    z, inputs, dt = mixer._project(x)

    def step(memory: Tensor, *inputs: Tensor) -> Tensor:
        return state_space_step(memory, StateSpaceTokens(*inputs[:4]), HeadRates(*inputs[4:]))

    memory, conv = mixer.new_state(x.shape[0], 1, StateFormat.like(x))
    tokens = mixer._tokens(_convolve(mixer.conv, inputs), dt)
    y, memory = _over_tokens(step, memory, tokens, mixer._rates())
    return mixer.out_proj(mixer._norm(y * functional.silu(z))), (memory, _last(conv, inputs))


@read_sequence.register
def _(mixer: DeltaMixer, x: Tensor) -> tuple[Tensor, State]:
    inputs, gates = mixer._project(x)

    def step(memory: Tensor, *token: Tensor) -> Tensor:
        return delta_step(memory, DeltaToken(*token))

    memory, conv = mixer.new_state(x.shape[0], 1, StateFormat.like(x))
    y, memory = _over_tokens(step, memory, mixer._inputs(_convolve(mixer.conv, inputs), gates))
    return mixer.out_proj(mixer.read_out(y, gates)), (memory, _last(conv, inputs))


@read_sequence.register
def _(mixer: GlaModule, x: Tensor) -> tuple[Tensor, State]:
    q, k, v, gate, log_decay = mixer._project(x)
    (memory,) = mixer.new_state(x.shape[0], 1, StateFormat.like(x))
    y, memory = _over_tokens(gated_linear_attention_step, memory, (q, k, v, log_decay))
    return mixer._read_out(y, gate), (memory,)


@read_sequence.register
def _(mixer: Rwkv7Module, x: Tensor) -> tuple[Tensor, State]:
    tokens, gate = mixer._tokens(x, functional.pad(x, (0, 0, 1, 0))[:, :-1])

    def step(memory: Tensor, *token: Tensor) -> Tensor:
        return dplr_step(memory, DplrTokens(*token))

    memory, _ = mixer.new_state(x.shape[0], 1, StateFormat.like(x))
    y, memory = _over_tokens(step, memory, tokens)
    return mixer._read_out(y, tokens, gate), (memory, x[:, -1])


def _over_tokens(
    step: Callable[..., Tensor], memory: Tensor, tokens: Sequence[Tensor], shared: Sequence[Tensor] = ()
) -> tuple[Tensor, Tensor]:
    """Outputs [B, T, ...] of ``step(memory, *token, *shared)``, in place on its memory, and the memory after the last.

    ``tokens`` are [B, T, ...]; ``shared`` is the same for all of them.
    """

    def body(memory: Tensor, *inputs: Tensor) -> list[Tensor]:
        after = memory.clone()
        return [after, step(after, *inputs)]

    by_token = [x.transpose(0, 1) for x in tokens]
    memory, y = torch.ops.higher_order.scan(body, [memory], by_token, tuple(shared))
    return y.transpose(0, 1), memory


def _convolve(convolution: ShortConvolution, x: Tensor) -> Tensor:
    """The convolution of x [B, T, channels], zeros before it."""
    taps, channels = convolution.weight.shape
    padded = functional.pad(x.mT, (taps - 1, 0))
    return functional.conv1d(padded, convolution.weight.T.unsqueeze(1), convolution.bias, groups=channels).mT


def _last(zeros: Tensor, x: Tensor) -> Tensor:
    """The last inputs of a convolution, from ``zeros`` [B, K - 1, channels] and x [B, T, channels]."""
    return torch.cat((zeros, x), 1)[:, x.shape[1] :]
