"""Mamba (Gu and Dao 2023): a state-space layer with decay rates of its own for each channel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from pydantic import Field

from nas_search.space.operators.base import OperatorSpec

if TYPE_CHECKING:
    from torch import Tensor

    from nas_search.space.kernels.registry import Operation, Phase
    from nas_search.space.operators.module import Mixer

WIDTH_PER_RANK = 16


class MambaSizes(NamedTuple):
    """The sizes of one Mamba operator at one width."""

    inner: int
    state: int
    dt_rank: int

    @property
    def selected(self) -> int:
        """Columns of the projection that selects: dt in low rank, B and C."""
        return self.dt_rank + 2 * self.state


class Mamba(OperatorSpec):
    """Without options as published: 16 numbers of state for each channel, step sizes of rank width / 16."""

    code: ClassVar[str] = "m"
    title: ClassVar[str] = "Mamba"

    state: int = Field(16, gt=0, le=4096)
    expand: int = Field(2, gt=0, le=16)
    conv: int = Field(4, gt=0, le=64)
    dt_rank: int | None = Field(None, gt=0)

    def sizes(self, width: int) -> MambaSizes:
        """Inner width, state size and rank of the step sizes at ``width``."""
        return MambaSizes(self.expand * width, self.state, self.dt_rank or -(-width // WIDTH_PER_RANK))

    def resolved(self, width: int) -> Self:
        """With every size written out."""
        return self.model_copy(update={"dt_rank": self.sizes(width).dt_rank})

    def check(self, width: int) -> None:
        """Raise ValueError if the rank of the step sizes is above their number."""
        sizes = self.sizes(width)
        if sizes.dt_rank > sizes.inner:
            raise ValueError(f"dt_rank={sizes.dt_rank} is above the inner width {sizes.inner}")

    def parameters(self, width: int) -> int:
        """Projections, biases of convolution and step sizes, taps, rates, and D of each channel."""
        inner, state, dt_rank = sizes = self.sizes(width)
        projections = 3 * width * inner + inner * (sizes.selected + dt_rank)
        return projections + inner * (self.conv + state + 3)

    def flops(self, width: int, context: int) -> int:
        """Projections, convolution, and the recurrence: outer product into the state, read-out."""
        inner, state, dt_rank = sizes = self.sizes(width)
        projections = 2 * inner * (3 * width + sizes.selected + dt_rank)
        return projections + 2 * self.conv * inner + 4 * inner * state

    def memory_elements(self, width: int) -> int:
        """The state of each channel."""
        sizes = self.sizes(width)
        return sizes.inner * sizes.state

    def state_elements(self, width: int, context: int) -> int:
        """The recurrent memory and the last inputs of the convolution, whatever the context."""
        return self.memory_elements(width) + self.sizes(width).inner * (self.conv - 1)

    def build(self, width: int) -> Mixer:
        """The torch module, with fresh weights."""
        from nas_search.space.operators.mamba.module import MambaModule

        return MambaModule(self, width)

    def reference(self) -> Callable[[Any, Tensor], Tensor]:
        """The recurrence, a token at a time."""
        from nas_search.space.operators.mamba.reference import mamba_reference

        return mamba_reference

    def operations(self) -> Mapping[Phase, tuple[Operation, ...]]:
        """Convolution and scan, and both for one token."""
        from nas_search.space.kernels.registry import by_phase
        from nas_search.space.operators.mamba.kernels import SELECTIVE_SCAN, SELECTIVE_STEP
        from nas_search.space.operators.short_convolution import CONVOLUTION, CONVOLUTION_STEP

        return by_phase((CONVOLUTION, SELECTIVE_SCAN), (CONVOLUTION_STEP, SELECTIVE_STEP))
