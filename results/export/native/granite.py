"""Mamba-2 and attention, an FFN behind each: the class of Granite 4 in transformers, without experts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nas_search.results.export.mapping.folder import Config
from nas_search.results.export.mapping.misfit import blocks, check_kinds, of_kind, one_setting
from nas_search.results.export.mapping.operator_weights import attention_weights, with_conv1d
from nas_search.results.export.mapping.own_weights import OwnWeights, prefixed
from nas_search.results.export.native.exporter import NativeFormat
from nas_search.results.export.native.remarks import INNER_EPS, NO_CACHE, ONE_EPS, STREAM_SCALE
from nas_search.space.architecture import Architecture
from nas_search.space.operators.attention.spec import Attention
from nas_search.space.operators.ffn.spec import FeedForward
from nas_search.space.operators.mamba2.spec import Mamba2

if TYPE_CHECKING:
    from torch import Tensor

_TITLE = "Granite 4"


def granite_config(architecture: Architecture) -> Config:
    """Settings of GraniteMoeHybridForCausalLM. Raises Misfit."""
    check_kinds(architecture, (Mamba2, Attention, FeedForward), _TITLE)
    layers = blocks(architecture, _TITLE)
    ffn = one_setting(architecture, FeedForward, _TITLE)
    assert ffn is not None
    has_mamba2 = [isinstance(layer.mixer.operator, Mamba2) for layer in layers]
    return {
        "architectures": ["GraniteMoeHybridForCausalLM"],
        "model_type": "granitemoehybrid",
        "use_cache": not all(has_mamba2),
        "num_hidden_layers": len(layers),
        "layer_types": ["linear_attention" if each else "full_attention" for each in has_mamba2],
        "num_local_experts": 0,
        "num_experts_per_tok": 0,
        "shared_intermediate_size": ffn.hidden_size(architecture.width),
        "intermediate_size": ffn.hidden_size(architecture.width),
        "hidden_act": "silu",
        "rms_norm_eps": INNER_EPS,
        "embedding_multiplier": 1.0,
        "residual_multiplier": 1.0,
        "logits_scaling": 1.0,
        **_attention_config(architecture),
        **_mamba2_config(architecture),
    }


def _attention_config(architecture: Architecture) -> Config:
    attention = one_setting(architecture, Attention, _TITLE)
    if attention is None:
        return {"num_attention_heads": 1, "position_embedding_type": None}
    first = of_kind(architecture, (Attention,))[0]
    if attention.qk_norm or attention.qkv_bias:
        raise first.misfit(f"attention in {_TITLE} has neither norms nor biases on queries and keys")
    sizes = attention.sizes(architecture.width)
    if sizes.query_width != architecture.width:
        raise first.misfit(f"the heads of {_TITLE} fill the width; these are {sizes.query_width} wide")
    return {
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "attention_multiplier": sizes.head_dim**-0.5,
        "attention_bias": False,
        "position_embedding_type": "rope",
        "rope_parameters": {"rope_type": "default", "rope_theta": attention.rope_theta},
    }


def _mamba2_config(architecture: Architecture) -> Config:
    # Without Mamba-2 the class still asks for heads that fill its inner width.
    mamba2 = one_setting(architecture, Mamba2, _TITLE) or Mamba2.model_validate({"head_dim": 1})
    sizes = mamba2.sizes(architecture.width)
    return {
        "mamba_n_heads": sizes.heads,
        "mamba_d_head": sizes.head_dim,
        "mamba_d_state": sizes.state,
        "mamba_n_groups": sizes.groups,
        "mamba_expand": mamba2.expand,
        "mamba_d_conv": mamba2.conv,
        "mamba_conv_bias": True,
        "mamba_proj_bias": False,
    }


def _granite_weights(own: OwnWeights) -> Iterator[tuple[str, Tensor]]:
    yield "model.embed_tokens.weight", own.embedding()
    for placed, norm, mixer in own.layers():
        start, operator = f"model.layers.{placed.index // 2}", placed.operator
        if isinstance(operator, FeedForward):
            yield f"{start}.post_attention_layernorm.weight", norm
            yield f"{start}.shared_mlp.input_linear.weight", mixer["gate_up_proj.weight"]
            yield f"{start}.shared_mlp.output_linear.weight", mixer["out_proj.weight"]
            continue
        yield f"{start}.input_layernorm.weight", norm
        if isinstance(operator, Attention):
            sizes = operator.sizes(own.architecture.width)
            yield from prefixed(f"{start}.self_attn", attention_weights(sizes, mixer)).items()
        else:
            yield from prefixed(f"{start}.mamba", with_conv1d(mixer)).items()
    yield "model.norm.weight", own.final_norm()
    if not own.architecture.tied_head:
        yield "lm_head.weight", own.head()


GRANITE = NativeFormat(
    "granitemoehybrid",
    "the class of Granite 4 in transformers: Mamba-2 and attention, each with an FFN",
    granite_config,
    _granite_weights,
    remarks=(ONE_EPS, NO_CACHE),
    stream_scale=STREAM_SCALE,
)
