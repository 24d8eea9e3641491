"""Mamba (Gu and Dao 2023): projection, short convolution, selective scan, gate, projection."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas_search.space.kernels.precision import widen
from nas_search.space.operators.mamba.kernels import SELECTIVE_SCAN, SELECTIVE_STEP
from nas_search.space.operators.mamba.spec import Mamba
from nas_search.space.operators.module import Cursor, Mixer, Projection, State, StateFormat
from nas_search.space.operators.short_convolution import ShortConvolution
from nas_search.space.operators.ssm_init import fresh_dt_bias


class MambaModule(Mixer):
    """``in_proj`` holds the rows of x and z, ``x_proj`` those of dt in low rank, B and C, in this order."""

    def __init__(self, spec: Mamba, width: int) -> None:
        super().__init__()
        self.sizes = sizes = spec.sizes(width)
        self.in_proj = Projection(width, 2 * sizes.inner)
        self.conv = ShortConvolution(sizes.inner, spec.conv, bias=True)
        self.x_proj = Projection(sizes.inner, sizes.selected)
        self.dt_proj = _StepProjection(sizes.dt_rank, sizes.inner)
        # Rates 1 to N in every channel (S4D-Real). They are no matrix: a vector, so that weight decay spares them.
        self.A_log = nn.Parameter(torch.arange(1.0, sizes.state + 1).log().repeat(sizes.inner))
        self.D = nn.Parameter(torch.ones(sizes.inner))
        self.out_proj = Projection(sizes.inner, width)

    def forward(self, x: Tensor, state: State | None = None) -> Tensor:
        """A whole sequence [B, T, C]."""
        x, z = self.in_proj(x).chunk(2, -1)
        if state is not None:
            self.conv.fill_state(state[1], x)
        x = functional.silu(self.conv(x))
        dt, b, c = self._select(x)
        y, final = SELECTIVE_SCAN.on(x.device)(x, dt, self._rates(), b, c)
        if state is not None:
            state[0].copy_(final)
        return self.out_proj(torch.addcmul(y, x, self.D) * functional.silu(z))

    def new_state(self, batch: int, max_length: int, form: StateFormat) -> State:
        """The recurrent state [B, I, N] and the last inputs of the convolution."""
        shape = (batch, self.sizes.inner, self.sizes.state)
        return torch.zeros(shape, device=form.device, dtype=form.memory), self.conv.new_state(batch, form)

    def step(self, x: Tensor, state: State, cursor: Cursor) -> Tensor:
        """One token [B, C] of the recurrence."""
        x, z = self.in_proj(x).chunk(2, -1)
        x = functional.silu(self.conv.step(x, state[1]))
        y = SELECTIVE_STEP.on(x.device)(state[0], self._rates(), (x, *self._select(x)))
        return self.out_proj(y.addcmul_(x, self.D).mul_(functional.silu(z)))

    def residual_weights(self) -> tuple[Tensor, ...]:
        """The output projection."""
        return (self.out_proj.weight,)

    def _rates(self) -> Tensor:
        """A [I, N], in float32 at least."""
        return -widen(self.A_log).exp().view(self.sizes.inner, self.sizes.state)

    def _select(self, x: Tensor) -> tuple[Tensor, ...]:
        """Step sizes [..., I], B and C [..., N] of tokens [..., I]."""
        sizes = self.sizes
        dt, b, c = self.x_proj(x).split_with_sizes((sizes.dt_rank, sizes.state, sizes.state), -1)
        return functional.softplus(self.dt_proj(dt)), b, c


class _StepProjection(Projection):
    """From low rank to step sizes before softplus, with the published fresh weights."""

    def __init__(self, rank: int, channels: int) -> None:
        super().__init__(rank, channels, bias=True)

    def reset_parameters(self) -> None:
        """Weights uniform within rank^-0.5, biases so that the step sizes of a zero input are log-uniform."""
        bound = self.in_features**-0.5
        nn.init.uniform_(self.weight, -bound, bound)
        self.bias = nn.Parameter(fresh_dt_bias(self.out_features))
