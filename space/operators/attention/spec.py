"""Full causal attention with grouped queries (Ainslie et al. 2023) and rotary positions (Su et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from pydantic import Field

from nas_search.space.operators.base import OperatorSpec, check_divides, default_head_dim, default_kv_heads

if TYPE_CHECKING:
    from torch import Tensor

    from nas_search.space.kernels.registry import Operation, Phase
    from nas_search.space.operators.module import Mixer

# Published models have queries up to twice as wide as the network.
MAX_QUERY_EXPANSION = 16


class AttentionSizes(NamedTuple):
    """The sizes of one attention operator at one width."""

    heads: int
    kv_heads: int
    head_dim: int

    @property
    def query_width(self) -> int:
        """Columns of the query projection and rows of the output projection."""
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        """Columns of the key projection, and of the value projection."""
        return self.kv_heads * self.head_dim


class AttentionSpec(OperatorSpec):
    """What full and sliding-window attention share.

    Without options: heads of the default size that fill the width, four query heads to a key-value head.
    """

    heads: int | None = Field(None, gt=0)
    kv_heads: int | None = Field(None, gt=0, alias="kv")
    head_dim: int | None = Field(None, gt=0, multiple_of=2)
    rope_theta: float = Field(10_000.0, gt=1, le=1e12)
    qk_norm: bool = False
    qkv_bias: bool = False

    def sizes(self, width: int) -> AttentionSizes:
        """Heads, key-value heads and head size at ``width``."""
        head_dim = self.head_dim or (width // self.heads if self.heads else default_head_dim(width))
        heads = self.heads or width // head_dim
        return AttentionSizes(heads, self.kv_heads or default_kv_heads(heads), head_dim)

    def resolved(self, width: int) -> Self:
        """With every size written out."""
        return self.model_copy(update=self.sizes(width)._asdict())

    def check(self, width: int) -> None:
        """Raise ValueError if heads do not fit the width, or key-value heads do not divide heads."""
        if self.heads is not None and self.head_dim is None:
            check_divides("heads", self.heads, width)
        if self.heads is None:
            check_divides("head_dim", self.head_dim or default_head_dim(width), width)
        sizes = self.sizes(width)
        if sizes.head_dim % 2:
            raise ValueError(f"head_dim={sizes.head_dim} is odd; rotary positions need pairs")
        if sizes.query_width > MAX_QUERY_EXPANSION * width:
            raise ValueError(
                f"heads={sizes.heads} times head_dim={sizes.head_dim} is more than {MAX_QUERY_EXPANSION} times "
                f"the width {width}"
            )
        if sizes.heads % sizes.kv_heads:
            raise ValueError(f"kv={sizes.kv_heads} does not divide heads={sizes.heads}")

    def parameters(self, width: int) -> int:
        """Query, key, value and output projections, and the options' gains and biases."""
        sizes = self.sizes(width)
        projections = 2 * width * (sizes.query_width + sizes.kv_width)
        gains = 2 * sizes.head_dim if self.qk_norm else 0
        biases = sizes.query_width + 2 * sizes.kv_width if self.qkv_bias else 0
        return projections + gains + biases

    def span(self, context: int) -> int:
        """Tokens that a token with ``context`` tokens before it attends to, itself included."""
        return context + 1

    def flops(self, width: int, context: int) -> int:
        """Projections, scores and weighted values."""
        sizes = self.sizes(width)
        projections = 4 * width * (sizes.query_width + sizes.kv_width)
        return projections + 4 * sizes.query_width * self.span(context)


class Attention(AttentionSpec):
    """Every token attends to all tokens before it."""

    code: ClassVar[str] = "a"
    title: ClassVar[str] = "Attention"

    def state_elements(self, width: int, context: int) -> int:
        """A key and a value for every token."""
        return 2 * self.sizes(width).kv_width * context

    def build(self, width: int) -> Mixer:
        """The torch module, with fresh weights."""
        from nas_search.space.operators.attention.module import AttentionModule

        return AttentionModule(self, width)

    def reference(self) -> Callable[[Any, Tensor], Tensor]:
        """A token at a time over the tokens before it."""
        from nas_search.space.operators.attention.reference import attention_reference

        return attention_reference

    def operations(self) -> Mapping[Phase, tuple[Operation, ...]]:
        """Attention over a sequence, and over a cache."""
        from nas_search.space.kernels.registry import by_phase
        from nas_search.space.operators.attention.kernels import CACHED_ATTENTION, CAUSAL_ATTENTION

        return by_phase((CAUSAL_ATTENTION,), (CACHED_ATTENTION,))
