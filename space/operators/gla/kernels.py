"""The operations of gated linear attention."""

from nas_search.space.kernels import fla
from nas_search.space.kernels.registry import Operation
from nas_search.space.operators.gla.gated_linear_attention import (
    chunked_gated_linear_attention,
    gated_linear_attention_step,
)

GATED_LINEAR_ATTENTION = Operation(
    "gated linear attention", chunked_gated_linear_attention, (fla.GATED_LINEAR_ATTENTION,)
)
GATED_LINEAR_ATTENTION_STEP = Operation(
    "gated linear attention for one token",
    gated_linear_attention_step,
    (fla.GATED_LINEAR_ATTENTION_STEP,),
    in_place=True,
)
