"""Gated DeltaNet: the delta rule with a decay for each head, and a gated norm on each head's output."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from nas_search.space.kernels.precision import widen
from nas_search.space.operators.delta_rule.kernels import GATED_DELTA_RULE
from nas_search.space.operators.delta_rule.mixer import DeltaMixer
from nas_search.space.operators.gated_deltanet.spec import GatedDeltaNet
from nas_search.space.operators.ssm_init import fresh_decay_rates, fresh_dt_bias


class GatedDeltaNetModule(DeltaMixer):
    """``in_proj`` holds the rows of query, key, value, output gate z, beta and decay step, in this order."""

    rule = GATED_DELTA_RULE

    def __init__(self, spec: GatedDeltaNet, width: int) -> None:
        sizes = spec.sizes(width)
        super().__init__(sizes, width, gate_rows=spec.gate_rows(width), taps=spec.conv)
        self.A_log = nn.Parameter(fresh_decay_rates(sizes.heads).log())
        self.dt_bias = nn.Parameter(fresh_dt_bias(sizes.heads))

    def rates(self, gates: Tensor) -> tuple[Tensor, ...]:
        """beta in (0, 1), and log decays, those of Mamba-2, in float32 at least."""
        _, beta, step = self._split(gates)
        return beta.sigmoid(), functional.softplus(widen(step) + self.dt_bias) * -widen(self.A_log).exp()

    def read_out(self, y: Tensor, gates: Tensor) -> Tensor:
        """Each head at unit scale, then the gate: ``norm(y) * silu(z)``."""
        return self.norm(y).flatten(-2) * functional.silu(self._split(gates)[0])

    def _split(self, gates: Tensor) -> tuple[Tensor, ...]:
        heads = self.sizes.heads
        return gates.split_with_sizes((self.sizes.inner, heads, heads), -1)
