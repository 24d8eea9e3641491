"""DeltaNet, Gated DeltaNet, GLA and RWKV-7 through flash-linear-attention, and causal-conv1d."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from direct_layers.layer import Calls, ConvolvedLayer, DirectLayer, package_function
from nas_search.space.kernels.fla import RWKV7_LEAST_LOG_DECAY
from nas_search.space.operators.delta_rule.mixer import DeltaMixer
from nas_search.space.operators.gated_deltanet.module import GatedDeltaNetModule
from nas_search.space.operators.gla.module import GATE_NORMALISER, GlaModule
from nas_search.space.operators.module import State
from nas_search.space.operators.rwkv7.module import NORM_EPS, Rwkv7Module


class DirectDeltaNet(ConvolvedLayer):
    """DeltaNet through flash-linear-attention."""

    place, rule_name = "fla.ops.delta_rule", "chunk_delta_rule"

    def __init__(self, ours: DeltaMixer, calls: Calls) -> None:
        super().__init__(ours, calls)
        self.gain, self.eps = ours.norm.weight, ours.norm.eps

    @cached_property
    def rule(self) -> Callable[..., tuple[Tensor, Tensor]]:
        """The kernel for a sequence."""
        return package_function(self.place, self.rule_name)

    @cached_property
    def token_rule(self) -> Callable[..., tuple[Tensor, Tensor]]:
        """The kernel for one token."""
        return package_function("fla.ops.gated_delta_rule", "fused_recurrent_gated_delta_rule")

    def forward(self, x: Tensor) -> Tensor:
        """The kernel has tokens before heads."""
        qkv, gates = self._project(x)
        y, _ = self.rule(**self._inputs(self.conv(qkv), gates))
        return self._project_out(y, gates)

    def step(self, x: Tensor, state: State, shared: None) -> Tensor:
        """A sequence of one token."""
        qkv, gates = self._project(x)
        inputs = self._inputs(self.conv.step(qkv, state[1]).unsqueeze(1), gates.unsqueeze(1))
        y, final = self.token_rule(**inputs, initial_state=state[0], output_final_state=True)
        state[0].copy_(final)
        return self._project_out(y.squeeze(1), gates)

    def _project(self, x: Tensor) -> tuple[Tensor, ...]:
        return self.in_proj(x).tensor_split((self.sizes.convolved,), -1)

    def _inputs(self, convolved: Tensor, gates: Tensor) -> dict[str, Any]:
        heads, key_dim, value_dim = self.sizes
        q, k, v = convolved.split_with_sizes((heads * key_dim, heads * key_dim, heads * value_dim), -1)
        q, k, v = (torch.unflatten(part, -1, (heads, -1)) for part in (q, k, v))
        if not self.calls.options:
            q, k = functional.normalize(q, dim=-1), functional.normalize(k, dim=-1)
        alike = {"scale": 1.0, "use_qk_l2norm_in_kernel": self.calls.options}
        return {"q": q, "k": k, "v": v, **self._rates(gates), **alike}

    def _rates(self, gates: Tensor) -> dict[str, Tensor]:
        return {"beta": gates.sigmoid()}

    def _project_out(self, y: Tensor, gates: Tensor) -> Tensor:
        normed = functional.rms_norm(y, y.shape[-1:], self.gain, self.eps).flatten(-2)
        return self.out_proj(self._gated(normed, gates))

    def _gated(self, y: Tensor, gates: Tensor) -> Tensor:
        return y


class DirectGatedDeltaNet(DirectDeltaNet):
    """Gated DeltaNet through flash-linear-attention."""

    place, rule_name = "fla.ops.gated_delta_rule", "chunk_gated_delta_rule"

    def __init__(self, ours: GatedDeltaNetModule, calls: Calls) -> None:
        super().__init__(ours, calls)
        self.A_log, self.dt_bias = ours.A_log, ours.dt_bias

    def _rates(self, gates: Tensor) -> dict[str, Tensor]:
        _, beta, step = self._split(gates)
        return {
            "beta": beta.sigmoid(),
            "g": -self.A_log.float().exp() * functional.softplus(step.float() + self.dt_bias),
        }

    def _gated(self, y: Tensor, gates: Tensor) -> Tensor:
        return y * functional.silu(self._split(gates)[0])

    def _split(self, gates: Tensor) -> tuple[Tensor, ...]:
        return gates.split_with_sizes((self.sizes.inner, self.sizes.heads, self.sizes.heads), -1)


class DirectGla(DirectLayer):
    """Gated linear attention through flash-linear-attention."""

    def __init__(self, ours: GlaModule, calls: Calls) -> None:
        super().__init__(ours, calls)
        self.heads, self.parts = ours.sizes.heads, ours.parts
        self.in_proj, self.decay_proj, self.out_proj = ours.in_proj, ours.decay_proj, ours.out_proj
        self.gain, self.eps = ours.norm.weight, ours.norm.eps

    @cached_property
    def recurrence(self) -> Callable[..., tuple[Tensor, Tensor]]:
        """The kernel for a sequence."""
        return package_function("fla.ops.gla", "chunk_gla")

    @cached_property
    def token_recurrence(self) -> Callable[..., tuple[Tensor, Tensor]]:
        """The kernel for one token."""
        return package_function("fla.ops.gla", "fused_recurrent_gla")

    def forward(self, x: Tensor) -> Tensor:
        """The kernel has tokens before heads."""
        q, k, v, gate, log_decay = self._project(x)
        y, _ = self.recurrence(q, k, v, g=log_decay, scale=1.0)
        return self._read_out(y, gate)

    def step(self, x: Tensor, state: State, shared: None) -> Tensor:
        """A sequence of one token."""
        q, k, v, gate, log_decay = self._project(x.unsqueeze(1))
        y, final = self.token_recurrence(
            q, k, v, gk=log_decay, scale=1.0, initial_state=state[0], output_final_state=True
        )
        state[0].copy_(final)
        return self._read_out(y, gate).squeeze(1)

    def _project(self, x: Tensor) -> tuple[Tensor, ...]:
        q, k, v, gate, low_rank = self.in_proj(x).split_with_sizes(self.parts, -1)
        log_decay = functional.logsigmoid(self.decay_proj(low_rank)) / GATE_NORMALISER
        q, k, v, log_decay = (torch.unflatten(part, -1, (self.heads, -1)) for part in (q, k, v, log_decay))
        return q, k, v, gate, log_decay.float()

    def _read_out(self, y: Tensor, gate: Tensor) -> Tensor:
        y = functional.rms_norm(y, y.shape[-1:], self.gain, self.eps).flatten(-2)
        return self.out_proj(y * functional.silu(gate))


class DirectRwkv7(DirectLayer):
    """RWKV-7 through flash-linear-attention."""

    def __init__(self, ours: Rwkv7Module, calls: Calls) -> None:
        super().__init__(ours, calls)
        self.heads, self.head_dim = ours.heads, ours.head_dim
        self.mix, self.decay, self.rate, self.gate = ours.mix, ours.decay, ours.rate, ours.gate
        self.r_proj, self.k_proj, self.v_proj, self.out_proj = ours.r_proj, ours.k_proj, ours.v_proj, ours.out_proj
        self.k_k, self.k_a, self.r_k = ours.k_k, ours.k_a, ours.r_k
        self.norm_weight, self.norm_bias = ours.norm_weight, ours.norm_bias

    @cached_property
    def recurrence(self) -> Callable[..., tuple[Tensor, Tensor]]:
        """The kernel for a sequence."""
        return package_function("fla.ops.rwkv7", "chunk_rwkv7")

    @cached_property
    def token_recurrence(self) -> Callable[..., tuple[Tensor, Tensor]]:
        """The kernel for one token."""
        return package_function("fla.ops.rwkv7", "fused_recurrent_rwkv7")

    def forward(self, x: Tensor) -> Tensor:
        """The kernel has tokens before heads."""
        inputs, gate = self._project(x, functional.pad(x, (0, 0, 1, -1)))
        y, _ = self.recurrence(*inputs, scale=1.0, lower_bound=RWKV7_LEAST_LOG_DECAY)
        return self._read_out(y, inputs, gate)

    def step(self, x: Tensor, state: State, shared: None) -> Tensor:
        """A sequence of one token."""
        matrices, before = state
        inputs, gate = self._project(x.unsqueeze(1), before.unsqueeze(1))
        before.copy_(x)
        y, final = self.token_recurrence(*inputs, scale=1.0, initial_state=matrices, output_final_state=True)
        matrices.copy_(final)
        return self._read_out(y, inputs, gate).squeeze(1)

    def _project(self, x: Tensor, before: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """r, log decays, k, v, a and b by head [B, T, H, D]; the output gates [B, T, C]."""
        shift = before - x
        for_r, for_decay, for_k, for_v, for_rate, for_gate = (torch.addcmul(x, shift, mix) for mix in self.mix)
        log_decay = RWKV7_LEAST_LOG_DECAY * self.decay.up(self.decay.down(for_decay).tanh()).sigmoid()
        rate = self.rate.up(self.rate.down(for_rate)).sigmoid()
        k = self.k_proj(for_k)
        removed = functional.normalize(self._by_head(k * self.k_k), dim=-1)
        k = torch.addcmul(k, k * (rate - 1), self.k_a)
        r, log_decay, k, v, rate = map(self._by_head, (self.r_proj(for_r), log_decay, k, self.v_proj(for_v), rate))
        return (r, log_decay.float(), k, v, -removed, removed * rate), self.gate.up(self.gate.down(for_gate).sigmoid())

    def _read_out(self, y: Tensor, inputs: tuple[Tensor, ...], gate: Tensor) -> Tensor:
        r, _, k, v, _, _ = inputs
        flat = y.reshape(-1, self.heads * self.head_dim)
        eps = NORM_EPS * self.head_dim
        normed = functional.group_norm(flat, self.heads, self.norm_weight, self.norm_bias, eps).view_as(gate)
        bonus = torch.linalg.vecdot(r, k * self._by_head(self.r_k)).unsqueeze(-1) * v
        return self.out_proj((normed + bonus.flatten(-2)) * gate)

    def _by_head(self, x: Tensor) -> Tensor:
        return torch.unflatten(x, -1, (self.heads, self.head_dim))
