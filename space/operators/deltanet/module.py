"""DeltaNet: projections, short convolutions, the delta rule, a norm on each head's output."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nas_search.space.operators.deltanet.delta_rule import chunked_delta_rule
from nas_search.space.operators.deltanet.spec import DeltaNet
from nas_search.space.operators.module import Cursor, Mixer, Projection, State
from nas_search.space.operators.rms_norm import RMSNorm, l2_normalise
from nas_search.space.operators.short_convolution import ShortConvolution

NORM_EPS = 1e-5


class DeltaNetModule(Mixer):
    """``in_proj`` holds the rows of query, key, value and beta; ``conv`` the channels of query, key and value.

    The published operator scales queries by ``D ** -0.5``. The norm of the output undoes it, so we leave it out and
    multiply the norm's eps by D, which gives the same function.
    """

    def __init__(self, spec: DeltaNet, width: int) -> None:
        super().__init__()
        self.head_dim = spec.head_size(width)
        self.heads = width // self.head_dim
        self.in_proj = Projection(width, 3 * width + self.heads)
        self.conv = ShortConvolution(3 * width, spec.conv, bias=False)
        self.norm = RMSNorm(self.head_dim, NORM_EPS * self.head_dim)
        self.out_proj = Projection(width, width)

    def forward(self, x: Tensor, state: State | None = None) -> Tensor:
        """A whole sequence [B, T, C]."""
        qkv, beta = self.in_proj(x).split_with_sizes((3 * x.shape[-1], self.heads), -1)
        if state is not None:
            self.conv.fill_state(state[1], qkv)
        convolved = torch.unflatten(functional.silu(self.conv(qkv)), -1, (3 * self.heads, self.head_dim))
        qk, v = convolved.split_with_sizes((2 * self.heads, self.heads), 2)
        q, k = l2_normalise(qk).chunk(2, 2)
        y, final = chunked_delta_rule(q, k, v, beta.sigmoid())
        if state is not None:
            state[0].copy_(final)
        return self.out_proj(self.norm(y).flatten(2))

    def new_state(self, batch: int, max_length: int, device: torch.device, dtype: torch.dtype) -> State:
        """The recurrent state [B, H, D, D] (keys by values) and the last inputs of the convolutions."""
        shape = (batch, self.heads, self.head_dim, self.head_dim)
        return torch.zeros(shape, device=device, dtype=dtype), self.conv.new_state(batch, device, dtype)

    def step(self, x: Tensor, state: State, cursor: Cursor) -> Tensor:
        """One token [B, C] of the recurrence."""
        batch, width = x.shape
        qkv, beta = self.in_proj(x).split_with_sizes((3 * width, self.heads), -1)
        convolved = functional.silu(self.conv.step(qkv, state[1])).view(batch, 3, self.heads, self.head_dim)
        q, k = l2_normalise(convolved[:, :2]).unbind(1)
        memory = state[0].view(-1, self.head_dim, self.head_dim)
        keys = k.reshape(len(memory), 1, self.head_dim)
        recalled = torch.bmm(keys, memory).view_as(k)
        correction = (convolved[:, 2] - recalled).mul_(beta.sigmoid().unsqueeze(-1))
        memory.baddbmm_(keys.mT, correction.view_as(keys))
        y = torch.bmm(q.reshape(len(memory), 1, self.head_dim), memory).view_as(k)
        return self.out_proj(self.norm(y).view(batch, width))

    def residual_weights(self) -> tuple[Tensor, ...]:
        """The output projection."""
        return (self.out_proj.weight,)
