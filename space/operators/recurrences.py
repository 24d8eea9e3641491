"""The operations of linear recurrences: what does them in PyTorch, and the kernels of other packages."""

from nas_search.space.kernels import fla, mamba_ssm
from nas_search.space.kernels.registry import Operation
from nas_search.space.operators.delta_rule import chunked_delta_rule, delta_step
from nas_search.space.operators.gla.gated_linear_attention import chunked_gated_linear_attention
from nas_search.space.operators.mamba.scan import selective_scan
from nas_search.space.operators.rwkv7.dplr import chunked_dplr

DELTA_RULE = Operation("delta rule", chunked_delta_rule, (fla.DELTA_RULE,))
GATED_DELTA_RULE = Operation("gated delta rule", chunked_delta_rule, (fla.GATED_DELTA_RULE,))
DELTA_STEP = Operation("delta rule for one token", delta_step, (fla.DELTA_STEP,), in_place=True)
GATED_LINEAR_ATTENTION = Operation(
    "gated linear attention", chunked_gated_linear_attention, (fla.GATED_LINEAR_ATTENTION,)
)
RWKV7 = Operation("RWKV-7 recurrence", chunked_dplr, (fla.RWKV7,))
SELECTIVE_SCAN = Operation("selective scan", selective_scan, (mamba_ssm.SELECTIVE_SCAN,))
