"""The operations of RWKV-7."""

from nas_search.space.kernels import fla
from nas_search.space.kernels.registry import Operation
from nas_search.space.operators.rwkv7.dplr import chunked_dplr, dplr_step

RWKV7 = Operation("RWKV-7 recurrence", chunked_dplr, (fla.RWKV7,))
RWKV7_STEP = Operation("RWKV-7 recurrence for one token", dplr_step, (fla.RWKV7_STEP,), in_place=True)
