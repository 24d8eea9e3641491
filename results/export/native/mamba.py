"""Networks of state-space layers alone: the classes of Mamba, Mamba-2 and Nemotron-H."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nas_search.results.export.mapping.folder import Config
from nas_search.results.export.mapping.misfit import check_kinds, of_kind, one_setting
from nas_search.results.export.mapping.operator_weights import mamba_weights, with_conv1d
from nas_search.results.export.mapping.own_weights import OwnWeights, prefixed
from nas_search.results.export.native.exporter import NativeFormat
from nas_search.results.export.native.remarks import INNER_EPS, LAYER_EPS, NO_CACHE, ONE_EPS, STREAM_SCALE
from nas_search.space.architecture import Architecture
from nas_search.space.operators.attention.spec import Attention
from nas_search.space.operators.ffn.spec import FeedForward
from nas_search.space.operators.mamba.spec import Mamba
from nas_search.space.operators.mamba2.spec import Mamba2
from nas_search.space.operators.sliding_window.spec import SlidingWindowAttention

if TYPE_CHECKING:
    from torch import Tensor

_NEMOTRON_H = "Nemotron-H"
# The class clips step sizes from below at its smallest fresh one. Not 0: fresh weights take its logarithm.
_NO_CLIPPING = 1e-12


def mamba_config(architecture: Architecture) -> Config:
    """Settings of MambaForCausalLM. Raises Misfit."""
    check_kinds(architecture, (Mamba,), "Mamba")
    mamba = one_setting(architecture, Mamba, "Mamba")
    assert mamba is not None
    return {
        "architectures": ["MambaForCausalLM"],
        "model_type": "mamba",
        "num_hidden_layers": architecture.depth,
        "layer_norm_epsilon": LAYER_EPS,
        "state_size": mamba.state,
        "expand": mamba.expand,
        "intermediate_size": mamba.expand * architecture.width,
        "conv_kernel": mamba.conv,
        "time_step_rank": mamba.dt_rank,
        "residual_in_fp32": False,
    }


def mamba2_config(architecture: Architecture) -> Config:
    """Settings of Mamba2ForCausalLM. Raises Misfit."""
    mamba2 = _only_mamba2(architecture, "Mamba-2")
    sizes = mamba2.sizes(architecture.width)
    return {
        "architectures": ["Mamba2ForCausalLM"],
        "model_type": "mamba2",
        "num_hidden_layers": architecture.depth,
        "num_heads": sizes.heads,
        "head_dim": sizes.head_dim,
        "state_size": sizes.state,
        "residual_in_fp32": False,
        **_scan_config(mamba2),
    }


def nemotron_h_config(architecture: Architecture) -> Config:
    """Settings of NemotronHForCausalLM, whose attention has no positions and whose FFN has no gate. Raises Misfit."""
    for each in of_kind(architecture, (Attention, SlidingWindowAttention)):
        raise each.misfit(f"attention in {_NEMOTRON_H} has no rotary positions")
    for each in of_kind(architecture, (FeedForward,)):
        raise each.misfit(f"an FFN in {_NEMOTRON_H} has no gate")
    mamba2 = _only_mamba2(architecture, _NEMOTRON_H)
    sizes = mamba2.sizes(architecture.width)
    return {
        "architectures": ["NemotronHForCausalLM"],
        "model_type": "nemotron_h",
        "num_hidden_layers": architecture.depth,
        "use_cache": False,
        "hybrid_override_pattern": "M" * architecture.depth,
        "mamba_num_heads": sizes.heads,
        "mamba_head_dim": sizes.head_dim,
        "ssm_state_size": sizes.state,
        "time_step_min": _NO_CLIPPING,
        # This class does not tie: the head is written out.
        "tie_word_embeddings": False,
        **_scan_config(mamba2),
    }


def _only_mamba2(architecture: Architecture, program: str) -> Mamba2:
    check_kinds(architecture, (Mamba2,), program)
    mamba2 = one_setting(architecture, Mamba2, program)
    assert mamba2 is not None
    return mamba2


def _scan_config(mamba2: Mamba2) -> Config:
    return {
        "n_groups": mamba2.groups,
        "expand": mamba2.expand,
        "conv_kernel": mamba2.conv,
        "use_conv_bias": True,
        "use_bias": False,
        "layer_norm_epsilon": INNER_EPS,
    }


def _backbone_weights(own: OwnWeights) -> Iterator[tuple[str, Tensor]]:
    """As of MambaForCausalLM and Mamba2ForCausalLM."""
    yield from _stack("backbone", own)
    if not own.architecture.tied_head:
        yield "lm_head.weight", own.head()


def _nemotron_h_weights(own: OwnWeights) -> Iterator[tuple[str, Tensor]]:
    yield from _stack("model", own)
    yield "lm_head.weight", own.head()


def _stack(name: str, own: OwnWeights) -> Iterator[tuple[str, Tensor]]:
    yield f"{name}.embeddings.weight", own.embedding()
    for placed, norm, mixer in own.layers():
        start, operator = f"{name}.layers.{placed.index}", placed.operator
        yield f"{start}.norm.weight", norm
        if isinstance(operator, Mamba):
            renamed = mamba_weights(operator.sizes(own.architecture.width), mixer)
        else:
            renamed = with_conv1d(mixer)
        yield from prefixed(f"{start}.mixer", renamed).items()
    yield f"{name}.norm_f.weight", own.final_norm()


MAMBA = NativeFormat("mamba", "the class of Mamba in transformers", mamba_config, _backbone_weights)
MAMBA2 = NativeFormat(
    "mamba2",
    "the class of Mamba-2 in transformers",
    mamba2_config,
    _backbone_weights,
    remarks=(ONE_EPS,),
    stream_scale=STREAM_SCALE,
)
NEMOTRON_H = NativeFormat(
    "nemotron_h",
    "the class of Nemotron-H in transformers, for networks of Mamba-2 alone",
    nemotron_h_config,
    _nemotron_h_weights,
    remarks=(ONE_EPS, NO_CACHE, "The model class does not tie its head, so a tied one is in the file a second time."),
    stream_scale=STREAM_SCALE,
)
