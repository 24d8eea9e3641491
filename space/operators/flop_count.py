"""FLOPs of one decode step as counted while it runs, to hold a spec's formula against."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from nas_search.space.operators.module import Cursor, Mixer, StateFormat


def counted_flops(module: Mixer, width: int, context: int) -> int:
    """FLOPs of the step at position ``context`` of one sequence, two for each multiply-add of products that are summed.

    Element-wise operations count nothing. The module is on a CPU, in float32.
    """
    x = torch.randn(1, width)
    state = module.new_state(1, context + 1, StateFormat.like(x))
    cursor = Cursor(torch.tensor([context]), context + 1)
    aten = torch.ops.aten
    formulas: dict[Any, Any] = {
        aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops,
        aten.baddbmm_: _update_flops,
    }
    contractions, products = _ContractionCounter(), FlopCounterMode(display=False, custom_mapping=formulas)
    with torch.no_grad(), contractions, products:
        module.step(x, state, cursor)
    return int(products.get_total_flops()) + contractions.flops


class _ContractionCounter(TorchFunctionMode):
    """Counts what FlopCounterMode leaves out: products that are summed at once but are no matrix product."""

    def __init__(self) -> None:
        super().__init__()
        self.flops: int = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.linalg.vecdot:
            self.flops += 2 * (args[0] * args[1]).numel()
        return func(*args, **(kwargs or {}))


def _attention_flops(q: Any, k: Any, v: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    """Scores and weighted values; shapes are [B, heads, tokens, D]."""
    products: int = math.prod(q[:3]) * k[2] * (q[3] + v[3])
    return 2 * products


def _update_flops(state: Any, left: Any, right: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    """Matrix products added in place."""
    products: int = math.prod(left) * right[2]
    return 2 * products
