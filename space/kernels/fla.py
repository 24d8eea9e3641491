"""Linear recurrences in chunks and for one token, package flash-linear-attention (Yang and Zhang 2024).

The scans over sequences take half precision: that is what their authors test. All keep tokens before heads and
states keys by values in float32, as we do; decays are logarithms, passed in float32, since half precision has no
number between 0.998 and 1. Every scale is 1.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp
from typing import TYPE_CHECKING, Any

from torch import Tensor

from nas_search.space.kernels.precision import FLOATS, alike
from nas_search.space.kernels.registry import Kernel

if TYPE_CHECKING:
    from nas_search.space.operators.delta_rule.recurrence import DeltaToken
    from nas_search.space.operators.rwkv7.dplr import DplrTokens

PACKAGE = "flash-linear-attention"
LARGEST_KEY = 256
# A block of values is rounded up to a power of two, and tensor cores take no fewer than 16.
SMALLEST_VALUE = 9
# No log decay of RWKV-7 is less (Peng et al. 2025). Knowing it, the kernel can use longer chunks.
RWKV7_LEAST_LOG_DECAY = -exp(-0.5)

Scan = Callable[..., tuple[Tensor, Tensor]]
Step = Callable[..., Tensor]


def _load_delta_rule() -> Scan:
    from fla.ops.delta_rule import chunk_delta_rule

    def scan(q: Tensor, k: Tensor, v: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
        """q, k [B, T, H, K], v [B, T, H, V], beta [B, T, H]."""
        found: tuple[Tensor, Tensor] = chunk_delta_rule(*alike(q, k, v), beta, scale=1.0, output_final_state=True)
        return found

    return scan


def _load_gated_delta_rule() -> Scan:
    from fla.ops.gated_delta_rule import chunk_gated_delta_rule

    def scan(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_decay: Tensor) -> tuple[Tensor, Tensor]:
        """As the plain delta rule, with log decays [B, T, H]."""
        found: tuple[Tensor, Tensor] = chunk_gated_delta_rule(
            *alike(q, k, v), g=log_decay.float(), beta=beta, scale=1.0, output_final_state=True
        )
        return found

    return scan


def _check_gated_gradient() -> None:
    """Some versions of Triton compile the gradient wrongly for Hopper GPUs.

    The package then takes TileLang if it can, and otherwise raises an error in the backward pass.
    """
    from fla.ops.common.backends import CommonTileLangBackend
    from fla.utils import IS_NVIDIA_HOPPER, TRITON_ABOVE_3_4_0, TRITON_ABOVE_3_7_1

    wrong = IS_NVIDIA_HOPPER and TRITON_ABOVE_3_4_0 and not TRITON_ABOVE_3_7_1
    if wrong and not CommonTileLangBackend.can_use():
        raise ImportError("on this GPU its gradient needs Triton 3.7.1 or newer, or TileLang and nvcc")


def _load_delta_step() -> Step:
    from fla.ops.gated_delta_rule import fused_recurrent_gated_delta_rule

    def step(state: Tensor, token: DeltaToken) -> Tensor:
        """One token of either rule, in place on state [B, H, K, V]."""
        q, k, v, beta = (x.unsqueeze(1) for x in (*alike(token.q, token.k, token.v), token.beta))
        g = None if token.log_decay is None else token.log_decay.float().unsqueeze(1)
        y, final = fused_recurrent_gated_delta_rule(
            q, k, v, g=g, beta=beta, scale=1.0, initial_state=state, output_final_state=True
        )
        return _finish(state, y, final)

    return step


def _load_gated_linear_attention() -> Scan:
    from fla.ops.gla import chunk_gla

    def scan(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor) -> tuple[Tensor, Tensor]:
        """q, k and log decays [B, T, H, K], v [B, T, H, V]."""
        found: tuple[Tensor, Tensor] = chunk_gla(
            *alike(q, k, v), g=log_decay.float(), scale=1.0, output_final_state=True
        )
        return found

    return scan


def _load_gated_linear_attention_step() -> Step:
    from fla.ops.gla import fused_recurrent_gla

    def step(state: Tensor, q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor) -> Tensor:
        """One token: q, k and log decays [B, H, K], v [B, H, V], in place on state [B, H, K, V]."""
        q, k, v, gk = (x.unsqueeze(1) for x in (*alike(q, k, v), log_decay.float()))
        y, final = fused_recurrent_gla(q, k, v, gk=gk, scale=1.0, initial_state=state, output_final_state=True)
        return _finish(state, y, final)

    return step


def _load_rwkv7() -> Scan:
    from fla.ops.rwkv7 import chunk_rwkv7

    def scan(sequence: DplrTokens) -> tuple[Tensor, Tensor]:
        """Log decays are at least :data:`RWKV7_LEAST_LOG_DECAY`."""
        r, log_decay, k, v, a, b = sequence
        r, k, v, a, b = alike(r, k, v, a, b)
        found: tuple[Tensor, Tensor] = chunk_rwkv7(
            r, log_decay.float(), k, v, a, b, scale=1.0, output_final_state=True, lower_bound=RWKV7_LEAST_LOG_DECAY
        )
        return found

    return scan


def _load_rwkv7_step() -> Step:
    from fla.ops.rwkv7 import fused_recurrent_rwkv7

    def step(state: Tensor, token: DplrTokens) -> Tensor:
        """One token, all [B, H, D], in place on state [B, H, D, D]."""
        r, log_decay, k, v, a, b = token
        r, k, v, a, b, w = (x.unsqueeze(1) for x in (*alike(r, k, v, a, b), log_decay.float()))
        y, final = fused_recurrent_rwkv7(r, w, k, v, a, b, scale=1.0, initial_state=state, output_final_state=True)
        return _finish(state, y, final)

    return step


def _finish(state: Tensor, y: Tensor, final: Tensor) -> Tensor:
    """Keep the final state and drop the axis of one token."""
    state.copy_(final)
    return y.squeeze(1)


def _refuses_key(q: Tensor, *others: Any) -> str | None:
    size = q.shape[-1]
    return None if size <= LARGEST_KEY else f"keys of {size}, more than {LARGEST_KEY}"


def _refuses_value(q: Tensor, k: Tensor, v: Tensor, *others: Any) -> str | None:
    size = v.shape[-1]
    return None if size >= SMALLEST_VALUE else f"values of {size}, fewer than {SMALLEST_VALUE}"


def _refuses_tokens(sequence: DplrTokens) -> str | None:
    return _refuses_key(sequence.k) or _refuses_value(sequence.r, sequence.k, sequence.v)


DELTA_RULE = Kernel("chunk_delta_rule", PACKAGE, _load_delta_rule, refuses=_refuses_key)
GATED_DELTA_RULE = Kernel(
    "chunk_gated_delta_rule",
    PACKAGE,
    _load_gated_delta_rule,
    refuses=_refuses_key,
    check_gradient=_check_gated_gradient,
)
DELTA_STEP = Kernel("fused_recurrent_gated_delta_rule", PACKAGE, _load_delta_step, FLOATS)
GATED_LINEAR_ATTENTION = Kernel("chunk_gla", PACKAGE, _load_gated_linear_attention, refuses=_refuses_value)
GATED_LINEAR_ATTENTION_STEP = Kernel("fused_recurrent_gla", PACKAGE, _load_gated_linear_attention_step, FLOATS)
RWKV7 = Kernel("chunk_rwkv7", PACKAGE, _load_rwkv7, refuses=_refuses_tokens)
RWKV7_STEP = Kernel("fused_recurrent_rwkv7", PACKAGE, _load_rwkv7_step, FLOATS)
