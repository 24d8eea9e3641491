"""Our weights under NVIDIA's names.

NVIDIA's class divides logits by the norm of their row in the head, and other programs for the same files do not. Both
agree where every row has norm one, and then both give our logits. So the head is divided by the mean norm of its rows,
and the gain before it multiplied. A tied head is the embedding too: then the whole residual stream is divided, which
norms undo if their eps is divided by the square.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from nas_search.errors import InputError
from nas_search.results.export.mapping.operator_weights import (
    attention_weights,
    deltanet_weights,
    ffn_weights,
    with_conv1d,
)
from nas_search.results.export.mapping.own_weights import OwnWeights, Weights, prefixed, times
from nas_search.space.operators.attention.spec import Attention
from nas_search.space.operators.base import OperatorSpec
from nas_search.space.operators.deltanet.spec import DeltaNet
from nas_search.space.operators.ffn.spec import FeedForward

if TYPE_CHECKING:
    from torch import Tensor


class RowNorms(NamedTuple):
    """The norms of the head's rows: their mean, and the smallest and largest as shares of it."""

    mean: float
    smallest: float
    largest: float

    @classmethod
    def of(cls, head: Tensor) -> RowNorms:
        """Raises InputError for a row of zeros, whose logit NVIDIA's class would divide by zero."""
        norms = head.float().norm(dim=1)
        if not norms.min() > 0:
            row = int(norms.argmin())
            raise InputError(f"nemotron-flash: token {row} has a row of zeros in the head, whose logit would be 0 / 0")
        mean = float(norms.double().mean())
        return cls(mean, float(norms.min()) / mean, float(norms.max()) / mean)


def with_unit_rows(own: OwnWeights, norms: RowNorms) -> OwnWeights:
    """The same function, the rows of its head of norm one on average."""
    if own.architecture.tied_head:
        return own.scaled(1 / norms.mean)
    changed = {
        "head": times(own.parameters["head"], 1 / norms.mean),
        "norm.weight": times(own.parameters["norm.weight"], norms.mean),
    }
    return OwnWeights(own.architecture, own.parameters | changed)


def nemotron_flash_weights(own: OwnWeights) -> Iterator[tuple[str, Tensor]]:
    """As of NemotronFlashForCausalLM; a tied head is stored once."""
    yield "model.embed_tokens.weight", own.embedding()
    meta_tokens = own.meta_tokens()
    if meta_tokens is not None:
        yield "model.memory_tokens", meta_tokens
    for placed, norm, mixer in own.layers():
        start, is_ffn = f"model.layers.{placed.index}", isinstance(placed.operator, FeedForward)
        yield f"{start}.{'pre_ffn' if is_ffn else 'input'}_layernorm.weight", norm
        yield from prefixed(start, _mixer_weights(placed.operator, own.architecture.width, mixer)).items()
    yield "model.final_layernorm.weight", own.final_norm()
    if not own.architecture.tied_head:
        yield "lm_head.weight", own.head()


def _mixer_weights(operator: OperatorSpec, width: int, mixer: Weights) -> Weights:
    if isinstance(operator, FeedForward):
        return prefixed("ffn", ffn_weights(mixer))
    if isinstance(operator, Attention):
        return prefixed("self_attn", attention_weights(operator.sizes(width), mixer))
    if isinstance(operator, DeltaNet):
        return prefixed("gla", deltanet_weights(operator.sizes(width), mixer))
    return prefixed("mamba", with_conv1d(mixer))
