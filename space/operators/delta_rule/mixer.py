"""The module that DeltaNet and Gated DeltaNet share: projections, short convolutions, the delta rule."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor
from torch.nn import functional

from nas_search.space.kernels.registry import Operation
from nas_search.space.operators.delta_rule.kernels import DELTA_STEP
from nas_search.space.operators.delta_rule.recurrence import DeltaToken
from nas_search.space.operators.delta_rule.spec import DeltaSizes
from nas_search.space.operators.module import Cursor, Mixer, Projection, State, StateFormat
from nas_search.space.operators.rms_norm import RMSNorm, l2_normalise
from nas_search.space.operators.short_convolution import ShortConvolution

NORM_EPS = 1e-5


class DeltaMixer(Mixer):
    """``in_proj`` holds the rows of query, key and value, then those of the gates that a subclass asks for.

    ``rule`` is the recurrence over a sequence.

    Published operators scale queries by ``K ** -0.5``. The norm of the output undoes it, so we leave it out and
    multiply the norm's eps by K, which gives the same function.
    """

    rule: Operation

    def __init__(self, sizes: DeltaSizes, width: int, *, gate_rows: int, taps: int) -> None:
        super().__init__()
        self.sizes = sizes
        self.in_proj = Projection(width, sizes.convolved + gate_rows)
        self.conv = ShortConvolution(sizes.convolved, taps, bias=False)
        self.norm = RMSNorm(sizes.value_dim, NORM_EPS * sizes.key_dim)
        self.out_proj = Projection(sizes.inner, width)

    @abstractmethod
    def rates(self, gates: Tensor) -> tuple[Tensor, ...]:
        """beta [..., H], and the log decays [..., H] of a gated rule, from gate rows [..., gate_rows]."""

    @abstractmethod
    def read_out(self, y: Tensor, gates: Tensor) -> Tensor:
        """What goes into the output projection [..., inner], from y [..., H, V]."""

    def forward(self, x: Tensor, state: State | None = None) -> Tensor:
        """A whole sequence [B, T, C]."""
        qkv, gates = self._project(x)
        if state is not None:
            self.conv.fill_state(state[1], qkv)
        y, final = self.rule.on(x.device)(*self._inputs(self.conv(qkv), gates))
        if state is not None:
            state[0].copy_(final)
        return self.out_proj(self.read_out(y, gates))

    def new_state(self, batch: int, max_length: int, form: StateFormat) -> State:
        """The recurrent state [B, H, K, V] (keys by values) and the last inputs of the convolutions."""
        shape = (batch, *self.sizes)
        return torch.zeros(shape, device=form.device, dtype=form.memory), self.conv.new_state(batch, form)

    def step(self, x: Tensor, state: State, cursor: Cursor) -> Tensor:
        """One token [B, C] of the recurrence."""
        qkv, gates = self._project(x)
        token = DeltaToken(*self._inputs(self.conv.step(qkv, state[1]), gates))
        y = DELTA_STEP.on(x.device)(state[0], token)
        return self.out_proj(self.read_out(y, gates))

    def residual_weights(self) -> tuple[Tensor, ...]:
        """The output projection."""
        return (self.out_proj.weight,)

    def _project(self, x: Tensor) -> tuple[Tensor, ...]:
        rows = self.in_proj.out_features
        return self.in_proj(x).split_with_sizes((self.sizes.convolved, rows - self.sizes.convolved), -1)

    def _inputs(self, convolved: Tensor, gates: Tensor) -> tuple[Tensor, ...]:
        """q, k, v and the rates, by head."""
        heads, key_dim, value_dim = self.sizes
        parts = (2 * heads * key_dim, heads * value_dim)
        qk, v = functional.silu(convolved).split_with_sizes(parts, -1)
        q, k = l2_normalise(torch.unflatten(qk, -1, (2 * heads, key_dim))).chunk(2, -2)
        return q, k, torch.unflatten(v, -1, (heads, value_dim)), *self.rates(gates)
