"""Gated DeltaNet (Yang, Kautz and Hatamizadeh 2025): the delta rule on a memory that decays, and an output gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from nas_search.space.operators.delta_rule.spec import DeltaSizes, DeltaSpec

if TYPE_CHECKING:
    from torch import Tensor

    from nas_search.space.kernels.registry import Operation, Phase
    from nas_search.space.operators.module import Mixer


class GatedDeltaNet(DeltaSpec):
    """Without options as wide as DeltaNet, so that the two differ by the gates alone.

    ``expand_v`` is the size of a value over that of a key; published models have 2.
    """

    code: ClassVar[str] = "gd"
    title: ClassVar[str] = "Gated DeltaNet"

    expand_v: int = Field(1, gt=0, le=16)

    def sizes(self, width: int) -> DeltaSizes:
        """Heads, key size and value size."""
        size = self.key_dim(width)
        return DeltaSizes(width // size, size, self.expand_v * size)

    def gate_rows(self, width: int) -> int:
        """The output gate z, and beta and the decay of each head."""
        sizes = self.sizes(width)
        return sizes.inner + 2 * sizes.heads

    def parameters(self, width: int) -> int:
        """Those of the delta rule, and the decay rate and step bias of each head."""
        return super().parameters(width) + 2 * self.sizes(width).heads

    def build(self, width: int) -> Mixer:
        """The torch module, with fresh weights."""
        from nas_search.space.operators.gated_deltanet.module import GatedDeltaNetModule

        return GatedDeltaNetModule(self, width)

    def reference(self) -> Callable[[Any, Tensor], Tensor]:
        """The recurrence, a token at a time."""
        from nas_search.space.operators.gated_deltanet.reference import gated_deltanet_reference

        return gated_deltanet_reference

    def operations(self) -> Mapping[Phase, tuple[Operation, ...]]:
        """Convolution and recurrence, and both for one token."""
        from nas_search.space.kernels.registry import by_phase
        from nas_search.space.operators.delta_rule.kernels import DELTA_STEP, GATED_DELTA_RULE
        from nas_search.space.operators.short_convolution import CONVOLUTION, CONVOLUTION_STEP

        return by_phase((CONVOLUTION, GATED_DELTA_RULE), (CONVOLUTION_STEP, DELTA_STEP))
