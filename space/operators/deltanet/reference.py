"""DeltaNet as a recurrence, a token at a time (Yang et al. 2024, equation 3), as published with scaled queries."""

from __future__ import annotations

import torch
from torch import Tensor

from nas_search.space.operators.convolution_reference import convolved_token
from nas_search.space.operators.delta_rule.reference import heads_of, rms, write_and_read
from nas_search.space.operators.deltanet.module import DeltaNetModule


def deltanet_reference(module: DeltaNetModule, x: Tensor) -> Tensor:
    """The whole operator on x [B, T, C]."""
    sizes = module.sizes
    qkv, beta = (x @ module.in_proj.weight.T).split_with_sizes((sizes.convolved, sizes.heads), -1)
    state = x.new_zeros(len(x), *sizes)
    outputs = []
    for t in range(x.shape[1]):
        q, k, v = heads_of(module, convolved_token(module.conv, qkv, t))
        state, y = write_and_read(state, q, k, v, torch.sigmoid(beta[:, t]))
        outputs.append((rms(y) * module.norm.weight).flatten(1) @ module.out_proj.weight.T)
    return torch.stack(outputs, 1)
