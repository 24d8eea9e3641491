"""DeltaNet (Schlag et al. 2021, Yang et al. 2024): linear attention that corrects what a key already stores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from nas_search.space.operators.delta_rule.spec import DeltaSizes, DeltaSpec

if TYPE_CHECKING:
    from torch import Tensor

    from nas_search.space.kernels.registry import Operation, Phase
    from nas_search.space.operators.module import Mixer


class DeltaNet(DeltaSpec):
    """Keys and values as wide as the network, a short convolution on each of query, key and value."""

    code: ClassVar[str] = "d"
    title: ClassVar[str] = "DeltaNet"

    def sizes(self, width: int) -> DeltaSizes:
        """Square heads."""
        size = self.key_dim(width)
        return DeltaSizes(width // size, size, size)

    def gate_rows(self, width: int) -> int:
        """beta of each head."""
        return self.sizes(width).heads

    def build(self, width: int) -> Mixer:
        """The torch module, with fresh weights."""
        from nas_search.space.operators.deltanet.module import DeltaNetModule

        return DeltaNetModule(self, width)

    def reference(self) -> Callable[[Any, Tensor], Tensor]:
        """The recurrence, a token at a time."""
        from nas_search.space.operators.deltanet.reference import deltanet_reference

        return deltanet_reference

    def operations(self) -> Mapping[Phase, tuple[Operation, ...]]:
        """Convolution and recurrence, and both for one token."""
        from nas_search.space.kernels.registry import by_phase
        from nas_search.space.operators.delta_rule.kernels import DELTA_RULE, DELTA_STEP
        from nas_search.space.operators.short_convolution import CONVOLUTION, CONVOLUTION_STEP

        return by_phase((CONVOLUTION, DELTA_RULE), (CONVOLUTION_STEP, DELTA_STEP))
