"""SwiGLU, a token at a time, as in its definition (Shazeer 2020, equation 6)."""

from __future__ import annotations

import torch
from torch import Tensor

from nas_search.space.operators.ffn.module import FeedForwardModule


def feed_forward_reference(module: FeedForwardModule, x: Tensor) -> Tensor:
    """``down(silu(gate(x_t)) * up(x_t))`` for each token of x [B, T, C]."""
    hidden = module.out_proj.in_features
    gate_weight = module.gate_up_proj.weight[:hidden]
    up_weight = module.gate_up_proj.weight[hidden:]
    outputs = []
    for token in x.unbind(1):
        gate = token @ gate_weight.T
        outputs.append((gate * torch.sigmoid(gate) * (token @ up_weight.T)) @ module.out_proj.weight.T)
    return torch.stack(outputs, 1)
