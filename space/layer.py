"""A pre-norm residual layer around an operator, in plain PyTorch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nas_search.space.operators.base import OperatorSpec
from nas_search.space.operators.module import Cursor, State
from nas_search.space.operators.rms_norm import RMSNorm


class PlainLayer(nn.Module):
    """``x + mixer(norm(x))``."""

    def __init__(self, operator: OperatorSpec, width: int) -> None:
        super().__init__()
        self.norm = RMSNorm(width)
        self.mixer = operator.build(width)

    def forward(self, x: Tensor, state: State | None = None) -> Tensor:
        """A whole sequence [B, T, C]."""
        mixed: Tensor = self.mixer(self.norm(x), state)
        return x + mixed

    def plain_step(self, x: Tensor, state: State, cursor: Cursor) -> Tensor:
        """One token [B, C], an operation at a time."""
        return x + self.mixer.step(self.norm(x), state, cursor)


@torch.no_grad()
def calm_residual_writes(layers: Sequence[PlainLayer]) -> None:
    """Divide by the root of the number of writes (GPT-2): the stream's variance stays independent of depth."""
    for layer in layers:
        for weight in layer.mixer.residual_weights():
            weight.div_(math.sqrt(len(layers)))
