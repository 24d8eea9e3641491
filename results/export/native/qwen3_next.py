"""Gated DeltaNet and attention, an FFN behind each: the class of Qwen3-Next in transformers, without experts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nas_search.results.export.mapping.folder import Config
from nas_search.results.export.mapping.misfit import blocks, check_kinds, of_kind, one_setting
from nas_search.results.export.mapping.operator_weights import attention_weights, ffn_weights, gated_deltanet_by_head
from nas_search.results.export.mapping.own_weights import OwnWeights, Weights, prefixed, times
from nas_search.results.export.native.exporter import NativeFormat
from nas_search.results.export.native.remarks import INNER_EPS, NO_CACHE, ONE_EPS, STREAM_SCALE
from nas_search.results.export.native.transformer import attention_config
from nas_search.space.architecture import Architecture
from nas_search.space.operators.attention.spec import Attention, AttentionSizes
from nas_search.space.operators.base import OperatorSpec
from nas_search.space.operators.ffn.spec import FeedForward
from nas_search.space.operators.gated_deltanet.spec import GatedDeltaNet

if TYPE_CHECKING:
    from torch import Tensor

_TITLE = "Qwen3-Next"
# The norms of queries and keys have our layers' eps: larger queries and keys make up for another one.
_QK_SCALE = STREAM_SCALE
_CLOSED_GATE = 0.5
"""The sigmoid of a gate whose weights are zero."""


def qwen3_next_config(architecture: Architecture) -> Config:
    """Settings of Qwen3NextForCausalLM. Raises Misfit."""
    check_kinds(architecture, (GatedDeltaNet, Attention, FeedForward), _TITLE)
    layers = blocks(architecture, _TITLE)
    ffn = one_setting(architecture, FeedForward, _TITLE)
    assert ffn is not None
    is_linear = [isinstance(layer.mixer.operator, GatedDeltaNet) for layer in layers]
    return {
        "architectures": ["Qwen3NextForCausalLM"],
        "model_type": "qwen3_next",
        "use_cache": not all(is_linear),
        "num_hidden_layers": len(layers),
        "layer_types": ["linear_attention" if each else "full_attention" for each in is_linear],
        "num_experts": 0,
        "mlp_only_layers": list(range(len(layers))),
        "intermediate_size": ffn.hidden_size(architecture.width),
        "hidden_act": "silu",
        "rms_norm_eps": INNER_EPS,
        **_attention_config(architecture),
        **_gated_deltanet_config(architecture),
    }


def _attention_config(architecture: Architecture) -> Config:
    attention = one_setting(architecture, Attention, _TITLE)
    if attention is None:
        return {}
    first = of_kind(architecture, (Attention,))[0]
    if not attention.qk_norm:
        raise first.misfit(f"attention in {_TITLE} has qk_norm=yes")
    if attention.qkv_bias:
        raise first.misfit(f"attention in {_TITLE} has no biases")
    config = attention_config(attention, architecture.width) | {"attention_bias": False}
    config["rope_parameters"] |= {"partial_rotary_factor": 1.0}
    return config


def _gated_deltanet_config(architecture: Architecture) -> Config:
    gated_deltanet = one_setting(architecture, GatedDeltaNet, _TITLE)
    if gated_deltanet is None:
        raise of_kind(architecture, (Attention,))[0].misfit(
            f"{_TITLE} is made of Gated DeltaNet, with attention in between; format qwen3 has attention alone"
        )
    heads, key_dim, value_dim = gated_deltanet.sizes(architecture.width)
    return {
        "linear_num_key_heads": heads,
        "linear_num_value_heads": heads,
        "linear_key_head_dim": key_dim,
        "linear_value_head_dim": value_dim,
        "linear_conv_kernel_dim": gated_deltanet.conv,
    }


def _qwen3_next_weights(own: OwnWeights) -> Iterator[tuple[str, Tensor]]:
    width = own.architecture.width
    yield "model.embed_tokens.weight", own.embedding()
    for placed, norm, mixer in own.layers():
        start, is_ffn = f"model.layers.{placed.index // 2}", isinstance(placed.operator, FeedForward)
        yield f"{start}.{'post_attention' if is_ffn else 'input'}_layernorm.weight", _beyond_one(norm)
        yield from prefixed(start, _mixer_weights(placed.operator, width, mixer)).items()
    yield "model.norm.weight", _beyond_one(own.final_norm())
    if not own.architecture.tied_head:
        yield "lm_head.weight", own.head()


def _mixer_weights(operator: OperatorSpec, width: int, mixer: Weights) -> Weights:
    if isinstance(operator, GatedDeltaNet):
        return prefixed("linear_attn", gated_deltanet_by_head(operator.sizes(width), mixer))
    if isinstance(operator, Attention):
        return prefixed("self_attn", _gated_attention_weights(operator.sizes(width), mixer))
    return prefixed("mlp", ffn_weights(mixer))


def _gated_attention_weights(sizes: AttentionSizes, mixer: Weights) -> Weights:
    """With a gate on each head's output that is always half open, and an output projection that makes up for it."""
    import torch

    plain = attention_weights(sizes, mixer)
    queries = torch.unflatten(times(plain["q_proj.weight"], _QK_SCALE), 0, (sizes.heads, -1))
    return plain | {
        "q_proj.weight": torch.cat((queries, torch.zeros_like(queries)), 1).flatten(0, 1),
        "k_proj.weight": times(plain["k_proj.weight"], _QK_SCALE),
        "o_proj.weight": times(plain["o_proj.weight"], 1 / _CLOSED_GATE),
        "q_norm.weight": _beyond_one(plain["q_norm.weight"]),
        "k_norm.weight": _beyond_one(plain["k_norm.weight"]),
    }


def _beyond_one(gain: Tensor) -> Tensor:
    """Gains are stored as what they are above one."""
    return gain - 1


QWEN3_NEXT = NativeFormat(
    "qwen3_next",
    "the class of Qwen3-Next in transformers: Gated DeltaNet and attention, each with an FFN",
    qwen3_next_config,
    _qwen3_next_weights,
    remarks=(
        ONE_EPS,
        NO_CACHE,
        "Attention has a gate there: its weights are zero, so it is half open, and the output projection is twice "
        "as large.",
    ),
    stream_scale=STREAM_SCALE,
)
