"""An operation in plain PyTorch: what runs where no faster kernel does, and all that a CPU needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any

import torch

from nas_search.space.kernels.precision import in_float32


@dataclass(frozen=True, eq=False)
class PortableOperation:
    """What operators ask for, in plain PyTorch.

    ``portable`` takes float32 and float64, with ``half`` half precision too (otherwise it is computed in float32), and
    with ``in_place`` it changes its first argument. It is called with positional arguments.
    """

    name: str
    portable: Callable[..., Any]
    _: KW_ONLY
    half: bool = False
    in_place: bool = False

    @cached_property
    def in_any_format(self) -> Callable[..., Any]:
        """``portable`` for every number format."""
        return self.portable if self.half else in_float32(self.portable, in_place=self.in_place)

    def on(self, device: torch.device) -> Callable[..., Any]:
        """The implementation for tensors on ``device``: the same everywhere."""
        return self.in_any_format
