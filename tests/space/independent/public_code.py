"""PyTorch code of transformers and of fla, without the kernels that would take its place."""

import sys
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

with pytest.MonkeyPatch.context() as patch:
    # Where these can be imported, transformers swaps its own functions for their kernels, which need a GPU.
    for kernels in ("fla", "mamba_ssm", "causal_conv1d"):
        patch.setitem(sys.modules, kernels, None)
    from transformers.models.mamba import modeling_mamba as mamba
    from transformers.models.mamba2 import modeling_mamba2 as mamba2
    from transformers.models.qwen3_next import modeling_qwen3_next as qwen3_next

__all__ = ["fla_naive", "mamba", "mamba2", "qwen3_next"]


@cache
def fla_naive(operator: str) -> Any:
    """The module ``fla/ops/<operator>/naive.py``, from its file: importing its package would look for a GPU."""
    package = find_spec("fla")
    assert package is not None
    (folder,) = package.submodule_search_locations or ()
    spec = spec_from_file_location(f"fla_naive_{operator.replace('/', '_')}", Path(folder, "ops", operator, "naive.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
