"""Mamba-2 (Dao and Gu 2024): projection, short convolution, state-space scan, gated norm, projection."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas_search.space.operators.mamba2.scan import chunked_scan, scan_with_state
from nas_search.space.operators.mamba2.spec import Mamba2
from nas_search.space.operators.module import Cursor, Mixer, Projection, State
from nas_search.space.operators.rms_norm import RMSNorm, rms_norm
from nas_search.space.operators.short_convolution import ShortConvolution

NORM_EPS = 1e-5
# Published ranges of the fresh step sizes and decay rates.
DT_RANGE = (1e-3, 1e-1)
A_RANGE = (1.0, 16.0)


class Mamba2Module(Mixer):
    """``in_proj`` holds the rows of z, x, B, C and dt, in this order."""

    def __init__(self, spec: Mamba2, width: int) -> None:
        super().__init__()
        self.sizes = sizes = spec.sizes(width)
        self.in_proj = Projection(width, sizes.projected)
        self.conv = ShortConvolution(sizes.conv_channels, spec.conv, bias=True)
        self.dt_bias = nn.Parameter(_fresh_dt_bias(sizes.heads))
        self.A_log = nn.Parameter(torch.empty(sizes.heads).uniform_(*A_RANGE).log())
        self.D = nn.Parameter(torch.ones(sizes.heads))
        self.norm = RMSNorm(sizes.inner, NORM_EPS)
        self.out_proj = Projection(sizes.inner, width)

    def forward(self, x: Tensor, state: State | None = None) -> Tensor:
        """A whole sequence [B, T, C]."""
        sizes = self.sizes
        z, convolved, dt = self._project(x)
        if state is not None:
            self.conv.fill_state(state[1], convolved)
        x, b, c = functional.silu(self.conv(convolved)).split_with_sizes(self._channels(), -1)
        dt = functional.softplus(dt + self.dt_bias)
        x = torch.unflatten(x, -1, (sizes.heads, sizes.head_dim))
        b, c = (torch.unflatten(part, -1, (sizes.groups, sizes.state)) for part in (b, c))
        scanned = (x * dt.unsqueeze(-1), dt * -self.A_log.exp(), b, c)
        if state is None:
            y = chunked_scan(*scanned)
        else:
            y, final = scan_with_state(*scanned)
            state[0].copy_(final)
        y = torch.addcmul(y, x, self.D.unsqueeze(-1)).flatten(2)
        return self.out_proj(self._norm(y * functional.silu(z)))

    def new_state(self, batch: int, max_length: int, device: torch.device, dtype: torch.dtype) -> State:
        """The recurrent state [B, H, P, N] and the last inputs of the convolution."""
        sizes = self.sizes
        shape = (batch, sizes.heads, sizes.head_dim, sizes.state)
        return torch.zeros(shape, device=device, dtype=dtype), self.conv.new_state(batch, device, dtype)

    def step(self, x: Tensor, state: State, cursor: Cursor) -> Tensor:
        """One token [B, C] of the recurrence."""
        sizes, batch = self.sizes, x.shape[0]
        z, convolved, dt = self._project(x)
        x, b, c = functional.silu(self.conv.step(convolved, state[1])).split_with_sizes(self._channels(), -1)
        dt = functional.softplus(dt + self.dt_bias)
        decay = self.A_log.exp().mul(dt).neg_().exp_()
        x = x.view(batch, sizes.heads, sizes.head_dim)
        u = x * dt.unsqueeze(-1)
        # One matrix per group: its heads share b and c.
        memory = state[0].view(batch * sizes.groups, -1, sizes.state)
        state[0].mul_(decay.view(batch, sizes.heads, 1, 1))
        memory.baddbmm_(u.view(len(memory), -1, 1), b.reshape(len(memory), 1, sizes.state))
        y = torch.bmm(memory, c.reshape(len(memory), sizes.state, 1)).view_as(x)
        y = torch.addcmul(y, x, self.D.unsqueeze(-1)).view(batch, -1)
        return self.out_proj(self._norm(y.mul_(functional.silu(z))))

    def residual_weights(self) -> tuple[Tensor, ...]:
        """The output projection."""
        return (self.out_proj.weight,)

    def _project(self, x: Tensor) -> tuple[Tensor, ...]:
        sizes = self.sizes
        parts = (sizes.inner, sizes.conv_channels, sizes.heads)
        return self.in_proj(x).split_with_sizes(parts, -1)

    def _norm(self, y: Tensor) -> Tensor:
        """Each group is normalised by itself."""
        groups = self.sizes.groups
        if groups == 1:
            return self.norm(y)
        gain = self.norm.weight.view(groups, -1)
        return rms_norm(torch.unflatten(y, -1, (groups, -1)), gain, NORM_EPS).flatten(-2)

    def _channels(self) -> tuple[int, int, int]:
        """Channels of x, B and C after the convolution."""
        shared = self.sizes.groups * self.sizes.state
        return self.sizes.inner, shared, shared


def _fresh_dt_bias(heads: int) -> Tensor:
    """Biases whose softplus is log-uniform over the published range of step sizes."""
    low, high = (math.log(bound) for bound in DT_RANGE)
    dt = torch.empty(heads).uniform_(low, high).exp()
    return dt + torch.log(-torch.expm1(-dt))
