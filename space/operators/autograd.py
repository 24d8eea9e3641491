"""Typed access to gradients that we write out ourselves."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.autograd import Function


def apply(function: type[Function], *inputs: Any) -> Tensor:
    """The only output of ``function``; its gradient is recorded if gradients are enabled."""
    output: Tensor = function.apply(*inputs)  # type: ignore[no-untyped-call]
    return output
