import importlib
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from gpu_fakes import BENCHMARKS, TESTS, load, with_activation, with_gate, with_norm, with_step_sizes


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.syspath_prepend(TESTS / "space" / "kernels")
    # A collection takes longer than anything here.
    monkeypatch.setattr(load("gpu_bench"), "garbage_collector_off", nullcontext)


@pytest.fixture
def packages(fresh_kernels: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """All kernel packages, with the options that our own adapters do not use."""
    modules = importlib.import_module("kernel_fakes").FakePackages().modules()
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    options: dict[str, Callable[..., Any]] = {
        "causal_conv1d.causal_conv1d_fn": with_activation,
        "causal_conv1d.causal_conv1d_update": with_activation,
        "fla.ops.delta_rule.chunk_delta_rule": with_norm,
        "fla.ops.gated_delta_rule.chunk_gated_delta_rule": with_norm,
        "fla.ops.gated_delta_rule.fused_recurrent_gated_delta_rule": with_norm,
        "mamba_ssm.ops.selective_scan_interface.selective_scan_fn": with_step_sizes,
        "mamba_ssm.ops.triton.selective_state_update.selective_state_update": with_gate,
        "mamba_ssm.ops.triton.ssd_combined.mamba_chunk_scan_combined": with_gate,
    }
    for path, option in options.items():
        place, _, name = path.rpartition(".")
        monkeypatch.setattr(modules[place], name, partial(option, getattr(modules[place], name)))
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda: (9, 0))
