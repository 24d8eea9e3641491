"""DeltaNet (Schlag et al. 2021, Yang et al. 2024): linear attention that corrects what a key already stores."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from nas_search.space.operators.base import OperatorSpec, check_divides, default_head_dim

if TYPE_CHECKING:
    from torch import Tensor

    from nas_search.space.operators.module import Mixer


class DeltaNet(OperatorSpec):
    """Keys and values as wide as the network, a short convolution on each of query, key and value."""

    code: ClassVar[str] = "d"
    title: ClassVar[str] = "DeltaNet"

    head_dim: int | None = Field(None, gt=0)
    conv: int = Field(4, gt=0, le=64)

    def head_size(self, width: int) -> int:
        """Rows and columns of a head's state."""
        return self.head_dim or default_head_dim(width)

    def check(self, width: int) -> None:
        """Raise ValueError if the heads do not fill the width."""
        check_divides("head_dim", self.head_size(width), width)

    def parameters(self, width: int) -> int:
        """Query, key, value, output and beta projections, three convolutions, the heads' norm gain."""
        heads = width // self.head_size(width)
        return width * (4 * width + heads) + 3 * width * self.conv + self.head_size(width)

    def flops(self, width: int, context: int) -> int:
        """Projections, convolutions, and the recurrence: read by key, write the correction, read by query."""
        heads = width // self.head_size(width)
        projections = 2 * width * (4 * width + heads)
        return projections + 6 * width * self.conv + 6 * width * self.head_size(width)

    def state_elements(self, width: int, context: int) -> int:
        """A matrix for each head and the last inputs of the convolutions, whatever the context."""
        return width * self.head_size(width) + 3 * width * (self.conv - 1)

    def build(self, width: int) -> Mixer:
        """The torch module, with fresh weights."""
        from nas_search.space.operators.deltanet.module import DeltaNetModule

        return DeltaNetModule(self, width)

    def reference(self) -> Callable[[Any, Tensor], Tensor]:
        """The recurrence, a token at a time."""
        from nas_search.space.operators.deltanet.reference import deltanet_reference

        return deltanet_reference
