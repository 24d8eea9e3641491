"""Which operators there are: those of this package and those that other packages announce.

A package adds an operator through the entry-point group ``nas_search.operators``: the name is the operator's code,
the value its :class:`OperatorSpec`.
"""

from functools import cache
from importlib.metadata import entry_points

from nas_search.space.operators.attention.spec import Attention
from nas_search.space.operators.base import OperatorSpec
from nas_search.space.operators.deltanet.spec import DeltaNet
from nas_search.space.operators.ffn.spec import FeedForward
from nas_search.space.operators.mamba2.spec import Mamba2
from nas_search.space.operators.sliding_window.spec import SlidingWindowAttention

ENTRY_POINT_GROUP = "nas_search.operators"
BUILT_IN: tuple[type[OperatorSpec], ...] = (Attention, SlidingWindowAttention, Mamba2, DeltaNet, FeedForward)


@cache
def operator_types() -> dict[str, type[OperatorSpec]]:
    """Every operator by its code. A code of this package cannot be taken by another."""
    types = {spec.code: spec for spec in BUILT_IN}
    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.name not in types:
            types[point.name] = point.load()
    return types
