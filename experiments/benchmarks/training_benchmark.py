"""How a benchmark of the trainer begins: its option, one thread, and random tokens; and what its figures hold for."""

from __future__ import annotations

import argparse
from importlib.metadata import version

import numpy as np
import torch
from comparison import keep_freed_memory
from numpy.typing import NDArray

from nas_search.profiler.device import resolve_device

TOKENS = 1 << 20


def begin(description: str) -> tuple[bool, NDArray[np.uint8]]:
    """Whether a quick one is asked for, and the tokens [TOKENS] to train on."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a few rounds, to see that it works")
    quick: bool = parser.parse_args().quick
    torch.set_num_threads(1)
    keep_freed_memory()
    return quick, np.random.default_rng(0).integers(256, size=TOKENS, dtype=np.uint8)


def versions() -> dict[str, str]:
    """PyTorch's version and the machine."""
    return {"torch": version("torch"), "machine": resolve_device("cpu").description}
