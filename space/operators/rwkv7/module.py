"""RWKV-7's time mixing: token shift, projections, the recurrence, a norm on each head's output, a bonus, a gate."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas_search.space.operators.module import Cursor, Mixer, Projection, State, StateFormat
from nas_search.space.operators.rms_norm import l2_normalise
from nas_search.space.operators.rwkv7.dplr import DplrTokens
from nas_search.space.operators.rwkv7.kernels import RWKV7, RWKV7_STEP
from nas_search.space.operators.rwkv7.spec import Rwkv7

NORM_EPS = 1e-5
KEY_EPS = 1e-24
STRONGEST_LOG_DECAY = -math.exp(-0.5)
# Published exponents of the fresh token mixing of a first layer: receptance, decay, key, value, rate, gate.
MIX_EXPONENTS = (0.2, 0.9, 0.7, 0.7, 0.9, 0.2)


class LowRank(nn.Module):
    """``up(activation(down(x)))``; a fresh one gives its bias whatever x is."""

    def __init__(self, width: int, rank: int, *, bias: bool) -> None:
        super().__init__()
        self.down = Projection(width, rank)
        self.up = Projection(rank, width, bias=bias)
        nn.init.zeros_(self.down.weight)


class Rwkv7Module(Mixer):
    """``mix`` has a row for each shifted input, in the order of :data:`MIX_EXPONENTS`."""

    def __init__(self, spec: Rwkv7, width: int) -> None:
        super().__init__()
        self.heads, self.head_dim, rank, gate_rank = spec.sizes(width)
        self.mix = nn.Parameter(_fresh_mix(width))
        self.r_proj, self.k_proj, self.v_proj = (Projection(width, width) for _ in range(3))
        self.decay = LowRank(width, rank, bias=True)
        self.rate = LowRank(width, rank, bias=True)
        self.gate = LowRank(width, gate_rank, bias=False)
        along, zigzag = torch.linspace(-0.5, 0.5, width), _zigzag(width, self.head_dim)
        with torch.no_grad():
            self.decay.up.bias.copy_(6 * along - 2.5 + 2.5 * zigzag)
            self.rate.up.bias.copy_(0.4 * along - 0.19 + 0.3 * zigzag)
        self.k_k = nn.Parameter(0.71 - 0.1 * along)
        self.k_a = nn.Parameter(torch.full((width,), 1.02))
        self.r_k = nn.Parameter(torch.full((width,), -0.04))
        self.norm_weight = nn.Parameter(torch.ones(width))
        self.norm_bias = nn.Parameter(torch.zeros(width))
        self.out_proj = Projection(width, width)

    def forward(self, x: Tensor, state: State | None = None) -> Tensor:
        """A whole sequence [B, T, C]."""
        tokens, gate = self._tokens(x, functional.pad(x, (0, 0, 1, 0))[:, :-1])
        y, final = RWKV7.on(x.device)(tokens)
        if state is not None:
            state[0].copy_(final)
            state[1].copy_(x[:, -1])
        return self._read_out(y, tokens, gate)

    def new_state(self, batch: int, max_length: int, form: StateFormat) -> State:
        """The recurrent state [B, H, D, D] (keys by values) and the token before, [B, C]."""
        matrices = torch.zeros(batch, self.heads, self.head_dim, self.head_dim, device=form.device, dtype=form.memory)
        return matrices, torch.zeros(batch, self.heads * self.head_dim, device=form.device, dtype=form.cache)

    def step(self, x: Tensor, state: State, cursor: Cursor) -> Tensor:
        """One token [B, C] of the recurrence."""
        token, gate = self._tokens(x, state[1])
        state[1].copy_(x)
        return self._read_out(RWKV7_STEP.on(x.device)(state[0], token), token, gate)

    def residual_weights(self) -> tuple[Tensor, ...]:
        """The output projection."""
        return (self.out_proj.weight,)

    def _tokens(self, x: Tensor, before: Tensor) -> tuple[DplrTokens, Tensor]:
        """What tokens x [..., C] bring to the recurrence, and their gates [..., C]."""
        difference = before - x
        for_r, for_decay, for_k, for_v, for_rate, for_gate = (
            torch.addcmul(x, difference, mix) for mix in self.mix.unbind(0)
        )
        log_decay = STRONGEST_LOG_DECAY * self.decay.up(self.decay.down(for_decay).tanh()).sigmoid()
        rate = self.rate.up(self.rate.down(for_rate)).sigmoid()
        gate = self.gate.up(self.gate.down(for_gate).sigmoid())
        k = self.k_proj(for_k)
        removed = l2_normalise(self._by_head(k * self.k_k), KEY_EPS)
        k = torch.addcmul(k, k * (rate - 1), self.k_a)
        r, log_decay, k, v, rate = map(self._by_head, (self.r_proj(for_r), log_decay, k, self.v_proj(for_v), rate))
        return DplrTokens(r, log_decay, k, v, -removed, removed * rate), gate

    def _read_out(self, y: Tensor, token: DplrTokens, gate: Tensor) -> Tensor:
        normed = functional.layer_norm(y, (self.head_dim,), eps=NORM_EPS * self.head_dim).flatten(-2)
        bonus = torch.linalg.vecdot(token.r, token.k * self._by_head(self.r_k)).unsqueeze(-1) * token.v
        read = torch.addcmul(self.norm_bias, normed, self.norm_weight) + bonus.flatten(-2)
        return self.out_proj(read * gate)

    def _by_head(self, x: Tensor) -> Tensor:
        return torch.unflatten(x, -1, (self.heads, self.head_dim))


def _fresh_mix(width: int) -> Tensor:
    """How much of the token before is mixed in: nearly all of it in the first channel, none in the last."""
    channel = torch.arange(width) / width
    return torch.stack([1 - channel**exponent for exponent in MIX_EXPONENTS])


def _zigzag(width: int, head_dim: int) -> Tensor:
    """From -1 to 1 in every head, flat in the middle."""
    position = torch.linspace(-1, 1, head_dim).repeat(width // head_dim) if head_dim > 1 else torch.zeros(width)
    return position * position.abs()
