"""minGRU as a recurrence, a token at a time (Feng et al. 2024, section 3.1)."""

from __future__ import annotations

import torch
from torch import Tensor

from nas_search_mingru.module import MinGRUModule


def mingru_reference(module: MinGRUModule, x: Tensor) -> Tensor:
    """The whole operator on x [B, T, C]."""
    gate_weight, candidate_weight = module.in_proj.weight.chunk(2)
    memory = x.new_zeros(len(x), module.inner)
    outputs = []
    for token in x.unbind(1):
        gate = torch.sigmoid(token @ gate_weight.T)
        memory = (1 - gate) * memory + gate * (token @ candidate_weight.T)
        outputs.append(memory @ module.out_proj.weight.T)
    return torch.stack(outputs, 1)
