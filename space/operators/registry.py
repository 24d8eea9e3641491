"""Which operators there are: those of this package and those that other packages announce.

A package adds an operator through the entry-point group ``nas_search.operators``: the name is the operator's code,
the value its :class:`OperatorSpec`; ``docs/extending.md`` shows how.
"""

from functools import cache

from nas_search.space.operators.attention.spec import Attention
from nas_search.space.operators.base import OperatorSpec
from nas_search.space.operators.deltanet.spec import DeltaNet
from nas_search.space.operators.entry_points import announced_operators
from nas_search.space.operators.ffn.spec import FeedForward
from nas_search.space.operators.gated_deltanet.spec import GatedDeltaNet
from nas_search.space.operators.gla.spec import GatedLinearAttention
from nas_search.space.operators.mamba.spec import Mamba
from nas_search.space.operators.mamba2.spec import Mamba2
from nas_search.space.operators.rwkv7.spec import Rwkv7
from nas_search.space.operators.sliding_window.spec import SlidingWindowAttention

BUILT_IN: tuple[type[OperatorSpec], ...] = (
    Attention,
    SlidingWindowAttention,
    Mamba,
    Mamba2,
    DeltaNet,
    GatedDeltaNet,
    GatedLinearAttention,
    Rwkv7,
    FeedForward,
)


@cache
def operator_types() -> dict[str, type[OperatorSpec]]:
    """Every operator by its code. Raises InputError for an operator of another package that is not one."""
    built_in = {spec.code: spec for spec in BUILT_IN}
    return built_in | announced_operators(built_in)
