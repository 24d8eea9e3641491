"""minGRU (Feng et al. 2024, section 3.1): a GRU whose gate and candidate depend on the token alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from nas_search.space.operators.base import OperatorSpec

if TYPE_CHECKING:
    from torch import Tensor

    from nas_search.space.operators.module import Mixer


class MinGRU(OperatorSpec):
    """``expand`` is the size of the memory over the width of the network."""

    code: ClassVar[str] = "mingru"
    title: ClassVar[str] = "minGRU"

    expand: int = Field(1, gt=0, le=16)

    def check(self, width: int) -> None:
        """Every width will do."""

    def parameters(self, width: int) -> int:
        """Gate, candidate and output projections."""
        return 3 * width * self.expand * width

    def flops(self, width: int, context: int) -> int:
        """Two per weight; the recurrence is an element-wise gate."""
        return 2 * self.parameters(width)

    def state_elements(self, width: int, context: int) -> int:
        """The memory, whatever the context."""
        return self.memory_elements(width)

    def memory_elements(self, width: int) -> int:
        """All of the state."""
        return self.expand * width

    def build(self, width: int) -> Mixer:
        """The torch module, with fresh weights."""
        from nas_search_mingru.module import MinGRUModule

        return MinGRUModule(self, width)

    def reference(self) -> Callable[[Any, Tensor], Tensor]:
        """The recurrence, a token at a time."""
        from nas_search_mingru.reference import mingru_reference

        return mingru_reference
