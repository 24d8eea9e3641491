"""One token of a whole pre-norm layer, ``x + mixer.step(norm(x), state, cursor)``, in two or three launches.

Between these two, attention does what it does without them. Vectors between the launches are float32, whatever the type
of the weights, except around attention, where they have the type of the cache. Nothing here waits for the device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from nas_search.space.kernels.fused.delta_update import DecayStep, delta_update
from nas_search.space.kernels.fused.mamba2_update import mamba2_update
from nas_search.space.kernels.fused.norm_project import ConvolvedRows, norm_project
from nas_search.space.kernels.fused.norm_swiglu import norm_swiglu
from nas_search.space.kernels.fused.project_residual import ReadOut, project_residual
from nas_search.space.operators.attention.module import AttentionModule, GroupedQueryAttention
from nas_search.space.operators.deltanet.module import DeltaNetModule
from nas_search.space.operators.ffn.module import FeedForwardModule
from nas_search.space.operators.gated_deltanet.module import GatedDeltaNetModule
from nas_search.space.operators.mamba2.module import Mamba2Module
from nas_search.space.operators.module import Cursor, Mixer, State
from nas_search.space.operators.rms_norm import RMSNorm
from nas_search.space.operators.sliding_window.module import SlidingWindowModule

# (norm, mixer, x, state, cursor) -> x + mixer.step(norm(x), state, cursor)
FusedStep = Callable[[RMSNorm, Any, Tensor, State, Cursor], Tensor]


def attention_layer_step(
    norm: RMSNorm, mixer: GroupedQueryAttention, x: Tensor, state: State, cursor: Cursor
) -> Tensor:
    """x [B, C]; in place on the cache."""
    projected = norm_project(x, norm, mixer.qkv_proj, dtype=state[0].dtype)
    # Contiguous, since kernels of attention may pad a head.
    mixed = mixer.attend_token(projected, state, cursor).contiguous()
    return project_residual(x, mixed, mixer.out_proj)


def mamba2_layer_step(norm: RMSNorm, mixer: Mamba2Module, x: Tensor, state: State, cursor: Cursor) -> Tensor:
    """x [B, C]; in place on the state."""
    sizes = mixer.sizes
    convolved = ConvolvedRows(sizes.inner, mixer.conv, state[1])
    projected = norm_project(x, norm, mixer.in_proj, convolved)
    y = mamba2_update(mixer, projected, state[0])
    gate = projected[:, : sizes.inner]
    return project_residual(
        x, y, mixer.out_proj, ReadOut(mixer.norm, sizes.inner // sizes.groups, gate, gate_first=True)
    )


def deltanet_layer_step(norm: RMSNorm, mixer: DeltaNetModule, x: Tensor, state: State, cursor: Cursor) -> Tensor:
    """x [B, C]; in place on the state."""
    sizes = mixer.sizes
    projected = norm_project(x, norm, mixer.in_proj, ConvolvedRows(0, mixer.conv, state[1]))
    qkv, beta = projected.split_with_sizes((sizes.convolved, sizes.heads), -1)
    y = delta_update(sizes, qkv, beta, state[0])
    return project_residual(x, y, mixer.out_proj, ReadOut(mixer.norm, sizes.value_dim))


def gated_deltanet_layer_step(
    norm: RMSNorm, mixer: GatedDeltaNetModule, x: Tensor, state: State, cursor: Cursor
) -> Tensor:
    """x [B, C]; in place on the state."""
    sizes = mixer.sizes
    projected = norm_project(x, norm, mixer.in_proj, ConvolvedRows(0, mixer.conv, state[1]))
    parts = (sizes.convolved, sizes.inner, sizes.heads, sizes.heads)
    qkv, gate, beta, step = projected.split_with_sizes(parts, -1)
    y = delta_update(sizes, qkv, beta, state[0], DecayStep(step, mixer.dt_bias, mixer.A_log))
    return project_residual(x, y, mixer.out_proj, ReadOut(mixer.norm, sizes.value_dim, gate))


def ffn_layer_step(norm: RMSNorm, mixer: FeedForwardModule, x: Tensor, state: State, cursor: Cursor) -> Tensor:
    """x [B, C]; an FFN has no state."""
    return project_residual(x, norm_swiglu(x, norm, mixer.gate_up_proj), mixer.out_proj)


FUSED_STEPS: dict[type[Mixer], FusedStep] = {
    AttentionModule: attention_layer_step,
    SlidingWindowModule: attention_layer_step,
    Mamba2Module: mamba2_layer_step,
    DeltaNetModule: deltanet_layer_step,
    GatedDeltaNetModule: gated_deltanet_layer_step,
    FeedForwardModule: ffn_layer_step,
}
