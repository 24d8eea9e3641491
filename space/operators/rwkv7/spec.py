"""RWKV-7 (Peng et al. 2025): a generalised delta rule with a decay and a learning rate for each channel."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from pydantic import Field

from nas_search.space.operators.base import OperatorSpec, check_divides, default_head_dim

if TYPE_CHECKING:
    from torch import Tensor

    from nas_search.space.kernels.registry import Operation, Phase
    from nas_search.space.operators.module import Mixer

# Inputs of receptance, decay, key, value, learning rate and gate: each mixes a token with the one before it.
SHIFTED_INPUTS = 6
RANK_MULTIPLE = 32


class Rwkv7Sizes(NamedTuple):
    """Heads, their size, and the ranks of the projections that make decays and learning rates, and gates."""

    heads: int
    head_dim: int
    rank: int
    gate_rank: int


class Rwkv7(OperatorSpec):
    """The time mixing of a first layer: without the value residual, which would tie layers together.

    Without options: heads of at most 64 and the published ranks, about 2.5 and 5 times the root of the width.
    """

    code: ClassVar[str] = "r7"
    title: ClassVar[str] = "RWKV-7"

    head_dim: int | None = Field(None, gt=0)
    rank: int | None = Field(None, gt=0, le=4096)
    gate_rank: int | None = Field(None, gt=0, le=4096)

    def sizes(self, width: int) -> Rwkv7Sizes:
        """Heads, head size and ranks at ``width``."""
        head_dim = self.head_size(width)
        rank = self.rank or _published_rank(2.5 * head_dim / 64, width)
        return Rwkv7Sizes(width // head_dim, head_dim, rank, self.gate_rank or _published_rank(5, width))

    def head_size(self, width: int) -> int:
        """Rows and columns of a head's state."""
        return self.head_dim or min(64, default_head_dim(width))

    def resolved(self, width: int) -> Self:
        """With every size written out."""
        _, head_dim, rank, gate_rank = self.sizes(width)
        return self.model_copy(update={"head_dim": head_dim, "rank": rank, "gate_rank": gate_rank})

    def check(self, width: int) -> None:
        """Raise ValueError if the heads do not fill the width."""
        check_divides("head_dim", self.head_size(width), width)

    def parameters(self, width: int) -> int:
        """Projections with the biases of decay and rate, token mixing, key scales, bonus, norm gain and bias."""
        return self._projections(width) + (2 + SHIFTED_INPUTS + 3 + 2) * width

    def flops(self, width: int, context: int) -> int:
        """Projections, and the recurrence: read by a, write along b and k, read by receptance, bonus."""
        return 2 * self._projections(width) + 8 * width * self.head_size(width) + 2 * width

    def memory_elements(self, width: int) -> int:
        """A matrix for each head."""
        return width * self.head_size(width)

    def state_elements(self, width: int, context: int) -> int:
        """The recurrent memory and the last token, whatever the context."""
        return self.memory_elements(width) + width

    def build(self, width: int) -> Mixer:
        """The torch module, with fresh weights."""
        from nas_search.space.operators.rwkv7.module import Rwkv7Module

        return Rwkv7Module(self, width)

    def reference(self) -> Callable[[Any, Tensor], Tensor]:
        """The recurrence, a token at a time."""
        from nas_search.space.operators.rwkv7.reference import rwkv7_reference

        return rwkv7_reference

    def operations(self) -> Mapping[Phase, tuple[Operation, ...]]:
        """The recurrence, and the same for one token."""
        from nas_search.space.kernels.registry import by_phase
        from nas_search.space.operators.rwkv7.kernels import RWKV7, RWKV7_STEP

        return by_phase((RWKV7,), (RWKV7_STEP,))

    def _projections(self, width: int) -> int:
        """Weights of receptance, key, value and output, and of both factors of decay, rate and gate."""
        sizes = self.sizes(width)
        return width * (4 * width + 2 * (2 * sizes.rank + sizes.gate_rank))


def _published_rank(factor: float, width: int) -> int:
    return max(1, round(factor * math.sqrt(width) / RANK_MULTIPLE)) * RANK_MULTIPLE
