"""PyTorch code of other packages that runs on a CPU: the modules of transformers and the naive functions of fla.

Where fla, mamba_ssm or causal_conv1d can be imported, transformers puts their GPU kernels in place of its own
functions, so they are hidden from it here. The package fla looks for a GPU when it is imported, but its naive functions
need nothing of it: they are loaded from their files. They compute in float32.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from transformers.utils import logging


@contextmanager
def hidden(*packages: str) -> Iterator[None]:
    """These packages cannot be imported."""
    imported = {name: sys.modules[name] for name in packages if name in sys.modules}
    sys.modules.update(dict.fromkeys(packages))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in packages:
            del sys.modules[name]
        sys.modules.update(imported)


with hidden("fla", "mamba_ssm", "causal_conv1d"):
    from transformers.models.llama import modeling_llama as llama
    from transformers.models.mamba import modeling_mamba as mamba
    from transformers.models.mamba2 import modeling_mamba2 as mamba2
    from transformers.models.mistral import modeling_mistral as mistral
    from transformers.models.qwen3_next import modeling_qwen3_next as qwen3_next

__all__ = ["fla_naive", "fla_version", "llama", "mamba", "mamba2", "mistral", "qwen3_next"]

# Without kernels transformers warns that its functions are slow; that is what is measured.
logging.set_verbosity_error()


def fla_version() -> str | None:
    """The version of fla-core, or None where it is not installed."""
    try:
        return distribution("fla-core").version
    except PackageNotFoundError:
        return None


@cache
def fla_naive(operator: str) -> Any:
    """The module ``fla/ops/<operator>/naive.py`` of fla-core, which must be installed."""
    path = Path(str(distribution("fla-core").locate_file(f"fla/ops/{operator}/naive.py")))
    spec = spec_from_file_location(f"fla_naive_{operator.replace('/', '_')}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python module")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
