"""Published shapes made smaller by a whole factor, for machines on which their real sizes would take hours."""

from __future__ import annotations

from math import gcd

from nas_search.errors import InputError
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture
from nas_search.space.operators.attention.spec import AttentionSpec
from nas_search.space.operators.base import OperatorSpec
from nas_search.space.operators.ffn.spec import FeedForward

# The head size of narrow networks that name none.
LEAST_HEAD_DIM = 32


def scale_architecture(architecture: Architecture, scale: int) -> Architecture:
    """As many operators, with width, hidden sizes, vocabulary and meta tokens divided by ``scale``.

    Operators without options follow the width. Heads become fewer rather than tiny, in groups as large as before.
    Raises InputError, naming the size, if ``scale`` does not divide one.
    """
    if scale == 1:
        return architecture
    fields = {
        "width": _divided("width", architecture.width, scale),
        "operators": tuple(_scale_operator(operator, scale) for operator in architecture.operators),
        "vocabulary": _divided("vocabulary", architecture.vocabulary, scale),
        "meta_tokens": _divided("meta_tokens", architecture.meta_tokens, scale),
        "tied_head": architecture.tied_head,
    }
    return Architecture.checked(fields, f"'{architecture.notation}' at 1/{scale}")


def scale_workload(workload: Workload, scale: int) -> Workload:
    """Prompt and new tokens divided by ``scale``, one at least where there was one; one step remains one step."""
    tokens = {"prompt": workload.prompt, "new_tokens": workload.new_tokens}
    return workload.model_copy(update={name: _tokens(number, scale) for name, number in tokens.items()})


def _scale_operator(operator: OperatorSpec, scale: int) -> OperatorSpec:
    if isinstance(operator, FeedForward) and operator.hidden is not None:
        return operator.model_copy(update={"hidden": _divided("hidden", operator.hidden, scale)})
    if isinstance(operator, AttentionSpec) and operator.heads and operator.kv_heads and operator.head_dim:
        return _scale_attention(operator, operator.heads, operator.kv_heads, operator.head_dim, scale)
    return operator


def _scale_attention(operator: AttentionSpec, heads: int, kv_heads: int, head_dim: int, scale: int) -> AttentionSpec:
    """Queries, keys and values are ``scale`` times narrower; of the possible heads the smallest from LEAST_HEAD_DIM."""
    common = gcd(heads, kv_heads)
    fewer = [by for by in range(1, common + 1) if common % by == 0 and head_dim * by % (2 * scale) == 0]
    if not fewer:
        raise InputError(f"{operator.notation} at 1/{scale}: no even head size gives whole groups of heads")
    by = next((by for by in fewer if head_dim * by >= LEAST_HEAD_DIM * scale), fewer[-1])
    return operator.model_copy(
        update={"heads": heads // by, "kv_heads": kv_heads // by, "head_dim": head_dim * by // scale}
    )


def _divided(name: str, size: int, scale: int) -> int:
    if size % scale:
        raise InputError(f"scale {scale} does not divide {name}={size}")
    return size // scale


def _tokens(number: int, scale: int) -> int:
    return -(-number // scale)
