"""Sliding-window attention: banded in training, a ring buffer of keys and values in decoding."""

from __future__ import annotations

from torch import Tensor

from nas_search.space.operators.attention.module import GroupedQueryAttention
from nas_search.space.operators.module import Cursor
from nas_search.space.operators.sliding_window.kernels import WINDOWED_ATTENTION
from nas_search.space.operators.sliding_window.spec import SlidingWindowAttention


class SlidingWindowModule(GroupedQueryAttention):
    """A token attends to itself and the ``window - 1`` tokens before it."""

    def __init__(self, spec: SlidingWindowAttention, width: int) -> None:
        super().__init__(spec, width)
        self.window = spec.window

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Causal attention within the window."""
        mixed: Tensor = WINDOWED_ATTENTION.on(q.device)(q, k, v, self.window)
        return mixed

    def slots(self, max_length: int) -> int:
        """At most the window."""
        return min(max_length, self.window)

    def slot(self, cursor: Cursor, slots: int) -> Tensor:
        """Token t overwrites token t - window. Their order in the buffer does not matter: keys carry positions."""
        return cursor.index % slots
