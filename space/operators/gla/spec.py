"""Gated linear attention (Yang et al. 2023): linear attention whose memory decays by channel, as the token says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from pydantic import Field

from nas_search.space.operators.base import OperatorSpec, check_divides, default_head_dim

if TYPE_CHECKING:
    from torch import Tensor

    from nas_search.space.kernels.registry import Operation, Phase
    from nas_search.space.operators.module import Mixer


class GlaSizes(NamedTuple):
    """Heads, and the size of a key and of a value."""

    heads: int
    key_dim: int
    value_dim: int

    @property
    def keys(self) -> int:
        """Keys of all heads."""
        return self.heads * self.key_dim

    @property
    def values(self) -> int:
        """Values of all heads: the width of the network."""
        return self.heads * self.value_dim


class GatedLinearAttention(OperatorSpec):
    """Values as wide as the network, keys half as wide; decays come from a projection of rank ``gate_rank``.

    ``head_dim`` is the size of a value.
    """

    code: ClassVar[str] = "gla"
    title: ClassVar[str] = "Gated linear attention"

    head_dim: int | None = Field(None, gt=1, multiple_of=2)
    gate_rank: int = Field(16, gt=0, le=4096)

    def sizes(self, width: int) -> GlaSizes:
        """Heads, key size and value size at ``width``."""
        value_dim = self.head_dim or default_head_dim(width)
        return GlaSizes(width // value_dim, value_dim // 2, value_dim)

    def resolved(self, width: int) -> Self:
        """With every size written out."""
        return self.model_copy(update={"head_dim": self.sizes(width).value_dim})

    def check(self, width: int) -> None:
        """Raise ValueError if the heads do not fill the width."""
        check_divides("head_dim", self.head_dim or default_head_dim(width), width)

    def parameters(self, width: int) -> int:
        """Projections, the decays' projection with its bias, the heads' norm gain."""
        sizes = self.sizes(width)
        return self._projections(width) + sizes.keys + sizes.value_dim

    def flops(self, width: int, context: int) -> int:
        """Projections, and the recurrence: outer product into the state, read by query."""
        sizes = self.sizes(width)
        return 2 * self._projections(width) + 4 * sizes.values * sizes.key_dim

    def memory_elements(self, width: int) -> int:
        """A matrix for each head."""
        sizes = self.sizes(width)
        return sizes.values * sizes.key_dim

    def state_elements(self, width: int, context: int) -> int:
        """The recurrent memory, whatever the context."""
        return self.memory_elements(width)

    def build(self, width: int) -> Mixer:
        """The torch module, with fresh weights."""
        from nas_search.space.operators.gla.module import GlaModule

        return GlaModule(self, width)

    def reference(self) -> Callable[[Any, Tensor], Tensor]:
        """The recurrence, a token at a time."""
        from nas_search.space.operators.gla.reference import gla_reference

        return gla_reference

    def operations(self) -> Mapping[Phase, tuple[Operation, ...]]:
        """The recurrence, and the same for one token."""
        from nas_search.space.kernels.registry import by_phase
        from nas_search.space.operators.gla.kernels import GATED_LINEAR_ATTENTION, GATED_LINEAR_ATTENTION_STEP

        return by_phase((GATED_LINEAR_ATTENTION,), (GATED_LINEAR_ATTENTION_STEP,))

    def _projections(self, width: int) -> int:
        """Weights of the query, key, value, gate and output projections, and of both factors of the decays'."""
        sizes = self.sizes(width)
        return width * (2 * sizes.keys + 3 * sizes.values + self.gate_rank) + self.gate_rank * sizes.keys
