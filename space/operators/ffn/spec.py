"""SwiGLU feed-forward network (Shazeer 2020): down(silu(gate(x)) * up(x))."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field

from nas_search.space.operators.base import OperatorSpec

if TYPE_CHECKING:
    from torch import Tensor

    from nas_search.space.operators.module import Mixer

# Vector units and tensor cores like multiples of 32; every ratio of the zoo is hit exactly.
HIDDEN_MULTIPLE = 32


class FeedForward(OperatorSpec):
    """``hidden`` wins over ``ratio``; the ratio gives the largest multiple of 32 not above ``ratio * width``."""

    code: ClassVar[str] = "f"
    title: ClassVar[str] = "SwiGLU FFN"
    mixes_tokens: ClassVar[bool] = False

    ratio: float = Field(3.0, gt=0, le=64)
    hidden: int | None = Field(None, gt=0)

    def hidden_size(self, width: int) -> int:
        """Columns of the gate and up projections."""
        if self.hidden is not None:
            return self.hidden
        return int(self.ratio * width) // HIDDEN_MULTIPLE * HIDDEN_MULTIPLE

    def resolved(self, width: int) -> Self:
        """With every size written out."""
        return self.model_copy(update={"hidden": self.hidden_size(width)})

    def check(self, width: int) -> None:
        """Raise ValueError if nothing is left of the hidden size."""
        if self.hidden_size(width) < 1:
            raise ValueError(f"ratio={self.ratio:g} gives a hidden size below {HIDDEN_MULTIPLE} at width {width}")

    def parameters(self, width: int) -> int:
        """Gate, up and down projections."""
        return 3 * width * self.hidden_size(width)

    def flops(self, width: int, context: int) -> int:
        """Two per weight."""
        return 2 * self.parameters(width)

    def state_elements(self, width: int, context: int) -> int:
        """An FFN remembers nothing."""
        return 0

    def build(self, width: int) -> Mixer:
        """The torch module, with fresh weights."""
        from nas_search.space.operators.ffn.module import FeedForwardModule

        return FeedForwardModule(self, width)

    def reference(self) -> Callable[[Any, Tensor], Tensor]:
        """A token at a time."""
        from nas_search.space.operators.ffn.reference import feed_forward_reference

        return feed_forward_reference
