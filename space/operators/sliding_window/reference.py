"""Sliding-window attention, a token at a time."""

from __future__ import annotations

from torch import Tensor

from nas_search.space.operators.attention.reference import windowed_reference
from nas_search.space.operators.sliding_window.module import SlidingWindowModule


def sliding_window_reference(module: SlidingWindowModule, x: Tensor) -> Tensor:
    """Every token of x [B, T, C] over its window."""
    return windowed_reference(module, x, module.window)
