"""The scans of Mamba (Gu and Dao 2023) and Mamba-2 (Dao and Gu 2024), package mamba-ssm.

Only Mamba's scan needs the package's compiled extension; the others are Triton. But the package imports the
extension whatever is wanted of it, so without one an empty module takes its place for as long as the import lasts.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nas_search.space.kernels.precision import FLOATS, alike
from nas_search.space.kernels.registry import Kernel

if TYPE_CHECKING:
    from nas_search.space.operators.mamba2.kernels import HeadRates, StateSpaceTokens

PACKAGE = "mamba-ssm"
EXTENSION = "selective_scan_cuda"
# The published chunk of Mamba-2.
CHUNK = 256
LARGEST_STATE = 256


@contextmanager
def extension_or_stub() -> Iterator[None]:
    """Let ``mamba_ssm`` be imported whether or not its extension is there."""
    try:
        import_module(EXTENSION)
    except ImportError:
        stub = ModuleType(EXTENSION)
        # Packages that look for each other ask for the specification of whatever is imported.
        stub.__spec__ = ModuleSpec(EXTENSION, loader=None)
        sys.modules[EXTENSION] = stub
        try:
            yield
        finally:
            del sys.modules[EXTENSION]
    else:
        yield


def _load_state_space_scan() -> Callable[..., tuple[Tensor, Tensor | None]]:
    with extension_or_stub():
        from mamba_ssm.ops.triton.ssd_combined import mamba_chunk_scan_combined

    def scan(
        tokens: StateSpaceTokens, rates: HeadRates, state_size: int, keep_state: bool
    ) -> tuple[Tensor, Tensor | None]:
        """The kernel adds the bias, does the softplus, and keeps the state as we do."""
        x, b, c, dt = *alike(tokens.x, tokens.b, tokens.c), tokens.dt
        x = torch.unflatten(x, -1, (dt.shape[-1], -1))
        b, c = (torch.unflatten(part, -1, (-1, state_size)) for part in (b, c))
        found = mamba_chunk_scan_combined(
            x, dt, _decay_rates(rates), b, c, CHUNK,
            D=rates.D, dt_bias=rates.dt_bias, dt_softplus=True, return_final_states=keep_state,
        )  # fmt: skip
        y, state = found if keep_state else (found, None)
        return y.flatten(2), state

    return scan


def _load_state_space_step() -> Callable[..., Tensor]:
    with extension_or_stub():
        from mamba_ssm.ops.triton.selective_state_update import selective_state_update

    def step(state: Tensor, token: StateSpaceTokens, rates: HeadRates) -> Tensor:
        """In place on the state. By strides of zero the kernel sees that a head's channels share one rate."""
        x, dt, b, c = token
        per_channel = state.shape[1:3]
        x = torch.unflatten(x, -1, per_channel)
        b, c = (torch.unflatten(part, -1, (-1, state.shape[-1])) for part in (b, c))
        y: Tensor = selective_state_update(
            state,
            x,
            dt.unsqueeze(-1).expand_as(x),
            _decay_rates(rates).view(-1, 1, 1).expand(state.shape[1:]),
            b,
            c,
            D=rates.D.unsqueeze(-1).expand(per_channel),
            dt_bias=rates.dt_bias.unsqueeze(-1).expand(per_channel),
            dt_softplus=True,
        )
        return y.flatten(1)

    return step


def _decay_rates(rates: HeadRates) -> Tensor:
    return -rates.A_log.float().exp()


def _load_selective_scan() -> Callable[..., tuple[Tensor, Tensor]]:
    import_module(EXTENSION)
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn

    def scan(u: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """u and dt [B, T, I], a [I, N] (negative), b and c [B, T, N]; the kernel has tokens last."""
        u, dt, b, c = (x.transpose(1, 2) for x in alike(u, dt, b, c))
        y, state = selective_scan_fn(u, dt, a.float(), b, c, return_last_state=True)
        return y.transpose(1, 2), state

    return scan


def _load_selective_step() -> Callable[..., Tensor]:
    with extension_or_stub():
        from mamba_ssm.ops.triton.selective_state_update import selective_state_update

    def step(state: Tensor, a: Tensor, token: tuple[Tensor, ...]) -> Tensor:
        """The token is u and dt [B, I], b and c [B, N]; in place on the state [B, I, N]."""
        u, dt, b, c = token
        # The kernel adds a bias and a direct path, and insists on both.
        nothing = dt.new_zeros(()).expand(len(a))
        y: Tensor = selective_state_update(state, u, dt, a, b, c, D=nothing, dt_bias=nothing)
        return y

    return step


def _refuses_state(u: Tensor, dt: Tensor, a: Tensor, *others: Any) -> str | None:
    size = a.shape[-1]
    return None if size <= LARGEST_STATE else f"a state of {size}, more than {LARGEST_STATE}"


STATE_SPACE_SCAN = Kernel("mamba_chunk_scan_combined", PACKAGE, _load_state_space_scan, FLOATS)
STATE_SPACE_STEP = Kernel("selective_state_update", PACKAGE, _load_state_space_step, FLOATS)
SELECTIVE_SCAN = Kernel("selective_scan_fn", PACKAGE, _load_selective_scan, FLOATS, _refuses_state)
SELECTIVE_STEP = Kernel("selective_state_update", PACKAGE, _load_selective_step, FLOATS)
