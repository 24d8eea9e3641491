"""Sliding-window attention (Beltagy et al. 2020): a token sees the last ``window`` tokens, itself included."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from nas_search.space.operators.attention.spec import AttentionSpec

if TYPE_CHECKING:
    from torch import Tensor

    from nas_search.space.kernels.registry import Operation, Phase
    from nas_search.space.operators.module import Mixer


class SlidingWindowAttention(AttentionSpec):
    """The default window is that of the paper's operator study (512)."""

    code: ClassVar[str] = "swa"
    title: ClassVar[str] = "Sliding-window attention"

    window: int = Field(512, gt=0)

    def span(self, context: int) -> int:
        """Tokens attended to: at most the window."""
        return min(context + 1, self.window)

    def state_elements(self, width: int, context: int) -> int:
        """A key and a value for every slot of the ring buffer that is in use."""
        return 2 * self.sizes(width).kv_width * min(context, self.window)

    def build(self, width: int) -> Mixer:
        """The torch module, with fresh weights."""
        from nas_search.space.operators.sliding_window.module import SlidingWindowModule

        return SlidingWindowModule(self, width)

    def reference(self) -> Callable[[Any, Tensor], Tensor]:
        """A token at a time over its window."""
        from nas_search.space.operators.sliding_window.reference import sliding_window_reference

        return sliding_window_reference

    def operations(self) -> Mapping[Phase, tuple[Operation, ...]]:
        """Attention in the window over a sequence, and over a cache."""
        from nas_search.space.kernels.registry import by_phase
        from nas_search.space.operators.attention.kernels import CACHED_ATTENTION
        from nas_search.space.operators.sliding_window.kernels import WINDOWED_ATTENTION

        return by_phase((WINDOWED_ATTENTION,), (CACHED_ATTENTION,))
