"""Mamba-2 (Dao and Gu 2024): projection, short convolution, state-space scan, gated norm, projection."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas_search.space.operators.mamba2.kernels import STATE_SPACE_SCAN, STATE_SPACE_STEP, HeadRates, StateSpaceTokens
from nas_search.space.operators.mamba2.spec import Mamba2
from nas_search.space.operators.module import Cursor, Mixer, Projection, State, StateFormat
from nas_search.space.operators.rms_norm import RMSNorm, rms_norm
from nas_search.space.operators.short_convolution import ShortConvolution
from nas_search.space.operators.ssm_init import fresh_decay_rates, fresh_dt_bias

NORM_EPS = 1e-5


class Mamba2Module(Mixer):
    """``in_proj`` holds the rows of z, x, B, C and dt, in this order."""

    def __init__(self, spec: Mamba2, width: int) -> None:
        super().__init__()
        self.sizes = sizes = spec.sizes(width)
        self.in_proj = Projection(width, sizes.projected)
        self.conv = ShortConvolution(sizes.conv_channels, spec.conv, bias=True)
        self.dt_bias = nn.Parameter(fresh_dt_bias(sizes.heads))
        self.A_log = nn.Parameter(fresh_decay_rates(sizes.heads).log())
        self.D = nn.Parameter(torch.ones(sizes.heads))
        self.norm = RMSNorm(sizes.inner, NORM_EPS)
        self.out_proj = Projection(sizes.inner, width)

    def forward(self, x: Tensor, state: State | None = None) -> Tensor:
        """A whole sequence [B, T, C]."""
        z, convolved, dt = self._project(x)
        if state is not None:
            self.conv.fill_state(state[1], convolved)
        tokens, rates = self._tokens(self.conv(convolved), dt), self._rates()
        y, final = STATE_SPACE_SCAN.on(x.device)(tokens, rates, self.sizes.state, state is not None)
        if state is not None:
            state[0].copy_(final)
        return self.out_proj(self._norm(y * functional.silu(z)))

    def new_state(self, batch: int, max_length: int, form: StateFormat) -> State:
        """The recurrent state [B, H, P, N] and the last inputs of the convolution."""
        sizes = self.sizes
        shape = (batch, sizes.heads, sizes.head_dim, sizes.state)
        return torch.zeros(shape, device=form.device, dtype=form.memory), self.conv.new_state(batch, form)

    def step(self, x: Tensor, state: State, cursor: Cursor) -> Tensor:
        """One token [B, C] of the recurrence."""
        z, convolved, dt = self._project(x)
        token, rates = self._tokens(self.conv.step(convolved, state[1]), dt), self._rates()
        y = STATE_SPACE_STEP.on(x.device)(state[0], token, rates)
        return self.out_proj(self._norm(y.mul_(functional.silu(z))))

    def residual_weights(self) -> tuple[Tensor, ...]:
        """The output projection."""
        return (self.out_proj.weight,)

    def _project(self, x: Tensor) -> tuple[Tensor, ...]:
        sizes = self.sizes
        parts = (sizes.inner, sizes.conv_channels, sizes.heads)
        return self.in_proj(x).split_with_sizes(parts, -1)

    def _rates(self) -> HeadRates:
        return HeadRates(self.dt_bias, self.A_log, self.D)

    def _norm(self, y: Tensor) -> Tensor:
        """Each group is normalised by itself."""
        groups = self.sizes.groups
        if groups == 1:
            return self.norm(y)
        gain = self.norm.weight.view(groups, -1)
        return rms_norm(torch.unflatten(y, -1, (groups, -1)), gain, NORM_EPS).flatten(-2)

    def _tokens(self, convolved: Tensor, dt: Tensor) -> StateSpaceTokens:
        shared = self.sizes.groups * self.sizes.state
        x, b, c = functional.silu(convolved).split_with_sizes((self.sizes.inner, shared, shared), -1)
        return StateSpaceTokens(x, dt, b, c)
