"""Fresh step sizes and decay rates of state-space layers, as published with Mamba and Mamba-2."""

from __future__ import annotations

import math

import torch
from torch import Tensor

DT_RANGE = (1e-3, 1e-1)
A_RANGE = (1.0, 16.0)


def fresh_dt_bias(count: int) -> Tensor:
    """Biases [count] whose softplus is log-uniform over the published range of step sizes."""
    low, high = (math.log(bound) for bound in DT_RANGE)
    dt = torch.empty(count).uniform_(low, high).exp()
    return dt + torch.log(-torch.expm1(-dt))


def fresh_decay_rates(count: int) -> Tensor:
    """Rates A [count], uniform over the published range: a head decays by exp(-A dt) in a step of size dt."""
    return torch.empty(count).uniform_(*A_RANGE)
