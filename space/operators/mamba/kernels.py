"""The operations of Mamba."""

from nas_search.space.kernels import mamba_ssm
from nas_search.space.kernels.registry import Operation
from nas_search.space.operators.mamba.scan import selective_scan, selective_step

SELECTIVE_SCAN = Operation("selective scan", selective_scan, (mamba_ssm.SELECTIVE_SCAN,))
SELECTIVE_STEP = Operation("selective scan for one token", selective_step, (mamba_ssm.SELECTIVE_STEP,), in_place=True)
