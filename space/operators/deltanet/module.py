"""DeltaNet: the delta rule, and a norm on each head's output."""

from __future__ import annotations

from torch import Tensor

from nas_search.space.operators.delta_rule.kernels import DELTA_RULE
from nas_search.space.operators.delta_rule.mixer import DeltaMixer
from nas_search.space.operators.deltanet.spec import DeltaNet


class DeltaNetModule(DeltaMixer):
    """``in_proj`` holds the rows of query, key, value and beta; ``conv`` the channels of query, key and value."""

    rule = DELTA_RULE

    def __init__(self, spec: DeltaNet, width: int) -> None:
        sizes = spec.sizes(width)
        super().__init__(sizes, width, gate_rows=sizes.heads, taps=spec.conv)

    def rates(self, gates: Tensor) -> tuple[Tensor, ...]:
        """beta in (0, 1), no decay."""
        return (gates.sigmoid(),)

    def read_out(self, y: Tensor, gates: Tensor) -> Tensor:
        """Each head by itself at unit scale."""
        return self.norm(y).flatten(-2)
