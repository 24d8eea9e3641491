"""The operations of Mamba-2, and what does them in PyTorch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from nas_search.space.kernels import mamba_ssm
from nas_search.space.kernels.registry import Operation
from nas_search.space.operators.mamba2.scan import chunked_scan, scan_with_state


class HeadRates(NamedTuple):
    """What each head learns beside its projections, all [H].

    A head takes a step of ``softplus(dt + dt_bias)``, decays by ``exp(-exp(A_log) * step)`` and passes D times its
    input on.
    """

    dt_bias: Tensor
    A_log: Tensor
    D: Tensor


class StateSpaceTokens(NamedTuple):
    """What tokens bring: x [..., H * P], dt [..., H], b and c [..., G * N]."""

    x: Tensor
    dt: Tensor
    b: Tensor
    c: Tensor


def state_space_scan(
    tokens: StateSpaceTokens, rates: HeadRates, state_size: int, keep_state: bool
) -> tuple[Tensor, Tensor | None]:
    """Outputs [B, T, H * P] of a sequence; N is ``state_size``.

    With ``keep_state`` also the state [B, H, P, N] after the last token, and no gradient.
    """
    x, dt, b, c = tokens
    x = torch.unflatten(x, -1, (dt.shape[-1], -1))
    b, c = (torch.unflatten(part, -1, (-1, state_size)) for part in (b, c))
    dt = functional.softplus(dt + rates.dt_bias)
    scanned = (x * dt.unsqueeze(-1), dt * -rates.A_log.exp(), b, c)
    y, state = scan_with_state(*scanned) if keep_state else (chunked_scan(*scanned), None)
    return torch.addcmul(y, x, rates.D.unsqueeze(-1)).flatten(2), state


def state_space_step(state: Tensor, token: StateSpaceTokens, rates: HeadRates) -> Tensor:
    """The output [B, H * P] of one token, in place on the state [B, H, P, N]."""
    x, dt, b, c = token
    batch, heads, head_dim, size = state.shape
    dt = functional.softplus(dt + rates.dt_bias)
    decay = rates.A_log.exp().mul(dt).neg_().exp_()
    x = x.view(batch, heads, head_dim)
    u = x * dt.unsqueeze(-1)
    # One matrix per group: its heads share b and c.
    matrices = b.numel() // size
    memory = state.view(matrices, -1, size)
    state.mul_(decay.view(batch, heads, 1, 1))
    memory.baddbmm_(u.view(matrices, -1, 1), b.reshape(matrices, 1, size))
    y = torch.bmm(memory, c.reshape(matrices, size, 1)).view_as(x)
    return torch.addcmul(y, x, rates.D.unsqueeze(-1)).view(batch, -1)


STATE_SPACE_SCAN = Operation("state-space scan", state_space_scan, (mamba_ssm.STATE_SPACE_SCAN,))
STATE_SPACE_STEP = Operation(
    "state-space update by one token", state_space_step, (mamba_ssm.STATE_SPACE_STEP,), in_place=True
)
