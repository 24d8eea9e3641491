"""What the specs of DeltaNet and Gated DeltaNet share: heads that fill the width, and what they cost."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple, Self

from pydantic import Field

from nas_search.space.operators.base import OperatorSpec, check_divides, default_head_dim


class DeltaSizes(NamedTuple):
    """Heads, and the size of a key and of a value."""

    heads: int
    key_dim: int
    value_dim: int

    @property
    def convolved(self) -> int:
        """Channels of the short convolutions: queries, keys and values of all heads."""
        return self.heads * (2 * self.key_dim + self.value_dim)

    @property
    def inner(self) -> int:
        """Values of all heads."""
        return self.heads * self.value_dim


class DeltaSpec(OperatorSpec):
    """Keys as wide as the network, a short convolution on each of query, key and value."""

    head_dim: int | None = Field(None, gt=0)
    conv: int = Field(4, gt=0, le=64)

    @abstractmethod
    def sizes(self, width: int) -> DeltaSizes:
        """Heads, key size and value size at ``width``."""

    @abstractmethod
    def gate_rows(self, width: int) -> int:
        """Rows of the input projection beside query, key and value."""

    def key_dim(self, width: int) -> int:
        """Size of a head's key."""
        return self.head_dim or default_head_dim(width)

    def resolved(self, width: int) -> Self:
        """With every size written out."""
        return self.model_copy(update={"head_dim": self.key_dim(width)})

    def check(self, width: int) -> None:
        """Raise ValueError if the heads do not fill the width."""
        check_divides("head_dim", self.key_dim(width), width)

    def parameters(self, width: int) -> int:
        """Projections, three convolutions, the heads' norm gain."""
        sizes = self.sizes(width)
        return self._projections(width) + sizes.convolved * self.conv + sizes.value_dim

    def flops(self, width: int, context: int) -> int:
        """Projections, convolutions, and the recurrence: read by key, write the correction, read by query."""
        sizes = self.sizes(width)
        return 2 * self._projections(width) + 2 * sizes.convolved * self.conv + 6 * sizes.inner * sizes.key_dim

    def memory_elements(self, width: int) -> int:
        """A matrix for each head."""
        sizes = self.sizes(width)
        return sizes.inner * sizes.key_dim

    def state_elements(self, width: int, context: int) -> int:
        """The recurrent memory and the last inputs of the convolutions, whatever the context."""
        return self.memory_elements(width) + self.sizes(width).convolved * (self.conv - 1)

    def _projections(self, width: int) -> int:
        sizes = self.sizes(width)
        return width * (sizes.convolved + self.gate_rows(width) + sizes.inner)
