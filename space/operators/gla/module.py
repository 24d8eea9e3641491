"""Gated linear attention: projections, decays of low rank, the recurrence, a gated norm on each head's output."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nas_search.space.operators.gla.kernels import GATED_LINEAR_ATTENTION, GATED_LINEAR_ATTENTION_STEP
from nas_search.space.operators.gla.spec import GatedLinearAttention
from nas_search.space.operators.module import Cursor, Mixer, Projection, State, StateFormat
from nas_search.space.operators.rms_norm import RMSNorm

NORM_EPS = 1e-5
# Published: the root of this order of the gate, so that a fresh memory lasts.
GATE_NORMALISER = 16


class GlaModule(Mixer):
    """``in_proj`` holds the rows of query, key, value, output gate and the decays' low rank, in this order.

    As in DeltaNet the published scale of queries, ``K ** -0.5``, is left to the eps of the output's norm.
    """

    def __init__(self, spec: GatedLinearAttention, width: int) -> None:
        super().__init__()
        self.sizes = sizes = spec.sizes(width)
        self.parts = (sizes.keys, sizes.keys, sizes.values, sizes.values, spec.gate_rank)
        self.in_proj = Projection(width, sum(self.parts))
        self.decay_proj = Projection(spec.gate_rank, sizes.keys, bias=True)
        self.norm = RMSNorm(sizes.value_dim, NORM_EPS * sizes.key_dim)
        self.out_proj = Projection(sizes.values, width)

    def forward(self, x: Tensor, state: State | None = None) -> Tensor:
        """A whole sequence [B, T, C]."""
        q, k, v, gate, log_decay = self._project(x)
        y, final = GATED_LINEAR_ATTENTION.on(x.device)(q, k, v, log_decay)
        if state is not None:
            state[0].copy_(final)
        return self._read_out(y, gate)

    def new_state(self, batch: int, max_length: int, form: StateFormat) -> State:
        """The recurrent state [B, H, K, V] (keys by values)."""
        return (torch.zeros(batch, *self.sizes, device=form.device, dtype=form.memory),)

    def step(self, x: Tensor, state: State, cursor: Cursor) -> Tensor:
        """One token [B, C] of the recurrence."""
        q, k, v, gate, log_decay = self._project(x)
        y = GATED_LINEAR_ATTENTION_STEP.on(x.device)(state[0], q, k, v, log_decay)
        return self._read_out(y, gate)

    def residual_weights(self) -> tuple[Tensor, ...]:
        """The output projection."""
        return (self.out_proj.weight,)

    def _project(self, x: Tensor) -> tuple[Tensor, ...]:
        """q, k, v by head, the output gate, and log decays by head."""
        q, k, v, gate, low_rank = self.in_proj(x).split_with_sizes(self.parts, -1)
        log_decay = functional.logsigmoid(self.decay_proj(low_rank)) / GATE_NORMALISER
        heads, key_dim, value_dim = self.sizes
        q, k, log_decay = (torch.unflatten(part, -1, (heads, key_dim)) for part in (q, k, log_decay))
        return q, k, torch.unflatten(v, -1, (heads, value_dim)), gate, log_decay

    def _read_out(self, y: Tensor, gate: Tensor) -> Tensor:
        return self.out_proj(self.norm(y).flatten(-2) * functional.silu(gate))
