"""Mamba-2 (Dao and Gu 2024): a state-space layer with a scalar decay for each head."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from pydantic import Field

from nas_search.space.operators.base import OperatorSpec, default_head_dim

if TYPE_CHECKING:
    from torch import Tensor

    from nas_search.space.kernels.registry import Operation, Phase
    from nas_search.space.operators.module import Mixer


class Mamba2Sizes(NamedTuple):
    """The sizes of one Mamba-2 operator at one width."""

    inner: int
    heads: int
    head_dim: int
    state: int
    groups: int

    @property
    def conv_channels(self) -> int:
        """Channels of the short convolution: x, B and C."""
        return self.inner + 2 * self.groups * self.state

    @property
    def projected(self) -> int:
        """Columns of the input projection: z, x, B, C and dt."""
        return self.inner + self.conv_channels + self.heads


class Mamba2(OperatorSpec):
    """Without options: heads of at most 64, a state as large as the network's default head."""

    code: ClassVar[str] = "m2"
    title: ClassVar[str] = "Mamba-2"

    head_dim: int | None = Field(None, gt=0)
    state: int | None = Field(None, gt=0, le=4096)
    expand: int = Field(2, gt=0, le=16)
    groups: int = Field(1, gt=0)
    conv: int = Field(4, gt=0, le=64)

    def sizes(self, width: int) -> Mamba2Sizes:
        """Inner width, heads, head size, state size and groups at ``width``."""
        inner = self.expand * width
        head_dim = self.head_dim or min(64, default_head_dim(width))
        return Mamba2Sizes(inner, inner // head_dim, head_dim, self.state or default_head_dim(width), self.groups)

    def resolved(self, width: int) -> Self:
        """With every size written out."""
        return self.model_copy(update={"head_dim": self.sizes(width).head_dim, "state": self.sizes(width).state})

    def check(self, width: int) -> None:
        """Raise ValueError if heads do not fill the inner width or groups do not divide heads."""
        sizes = self.sizes(width)
        if sizes.inner % sizes.head_dim:
            raise ValueError(f"head_dim={sizes.head_dim} does not divide the inner width {sizes.inner}")
        if sizes.heads % sizes.groups:
            raise ValueError(f"groups={sizes.groups} does not divide heads={sizes.heads}")

    def parameters(self, width: int) -> int:
        """Projections, convolution with bias, dt bias, A and D of each head, norm gain."""
        sizes = self.sizes(width)
        convolution = sizes.conv_channels * (self.conv + 1)
        return width * (sizes.projected + sizes.inner) + convolution + 3 * sizes.heads + sizes.inner

    def flops(self, width: int, context: int) -> int:
        """Projections, convolution, and the recurrence: outer product into the state, read-out."""
        sizes = self.sizes(width)
        projections = 2 * width * (sizes.projected + sizes.inner)
        return projections + 2 * self.conv * sizes.conv_channels + 4 * sizes.inner * sizes.state

    def memory_elements(self, width: int) -> int:
        """A matrix for each head."""
        sizes = self.sizes(width)
        return sizes.inner * sizes.state

    def state_elements(self, width: int, context: int) -> int:
        """The recurrent memory and the last inputs of the convolution, whatever the context."""
        return self.memory_elements(width) + self.sizes(width).conv_channels * (self.conv - 1)

    def build(self, width: int) -> Mixer:
        """The torch module, with fresh weights."""
        from nas_search.space.operators.mamba2.module import Mamba2Module

        return Mamba2Module(self, width)

    def reference(self) -> Callable[[Any, Tensor], Tensor]:
        """The recurrence, a token at a time."""
        from nas_search.space.operators.mamba2.reference import mamba2_reference

        return mamba2_reference

    def operations(self) -> Mapping[Phase, tuple[Operation, ...]]:
        """Convolution and scan, and both for one token."""
        from nas_search.space.kernels.registry import by_phase
        from nas_search.space.operators.mamba2.kernels import STATE_SPACE_SCAN, STATE_SPACE_STEP
        from nas_search.space.operators.short_convolution import CONVOLUTION, CONVOLUTION_STEP

        return by_phase((CONVOLUTION, STATE_SPACE_SCAN), (CONVOLUTION_STEP, STATE_SPACE_STEP))
