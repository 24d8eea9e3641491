"""The operations of DeltaNet and Gated DeltaNet."""

from nas_search.space.kernels import fla
from nas_search.space.kernels.registry import Operation
from nas_search.space.operators.delta_rule.recurrence import chunked_delta_rule, delta_step

DELTA_RULE = Operation("delta rule", chunked_delta_rule, (fla.DELTA_RULE,))
GATED_DELTA_RULE = Operation("gated delta rule", chunked_delta_rule, (fla.GATED_DELTA_RULE,))
DELTA_STEP = Operation("delta rule for one token", delta_step, (fla.DELTA_STEP,), in_place=True)
