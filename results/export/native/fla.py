"""Linear attention of one kind and attention, an FFN behind each: the classes of flash-linear-attention."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas_search.results.export.mapping.folder import Config
from nas_search.results.export.mapping.misfit import Block, Kinds, Placed, blocks, check_kinds, of_kind, one_setting
from nas_search.results.export.mapping.operator_weights import (
    attention_weights,
    deltanet_weights,
    ffn_weights,
    gated_deltanet_weights,
    gla_weights,
)
from nas_search.results.export.mapping.own_weights import OwnWeights, Weights, prefixed
from nas_search.results.export.native.exporter import NativeFormat
from nas_search.results.export.native.remarks import INNER_EPS, ONE_EPS, STREAM_SCALE
from nas_search.space.architecture import Architecture
from nas_search.space.operators.attention.spec import Attention, AttentionSpec
from nas_search.space.operators.base import OperatorSpec
from nas_search.space.operators.deltanet.spec import DeltaNet
from nas_search.space.operators.ffn.spec import FeedForward
from nas_search.space.operators.gated_deltanet.spec import GatedDeltaNet
from nas_search.space.operators.gla.spec import GatedLinearAttention
from nas_search.space.operators.rwkv7.spec import Rwkv7
from nas_search.space.operators.sliding_window.spec import SlidingWindowAttention

if TYPE_CHECKING:
    from torch import Tensor

_TITLE = "flash-linear-attention"
_GATE_RANK = 16
"""No field of GLAConfig gives another."""


@dataclass(frozen=True)
class LinearKind:
    """A model class that is built around one linear operator."""

    operator: type[OperatorSpec]
    model_type: str
    class_name: str
    config: Callable[[Any, int], Config]
    weights: Callable[[Any, int, Weights], Weights]


def _deltanet_config(operator: DeltaNet, width: int) -> Config:
    return {"num_heads": operator.sizes(width).heads, "expand_k": 1.0, "expand_v": 1.0, "conv_size": operator.conv}


def _gated_deltanet_config(operator: GatedDeltaNet, width: int) -> Config:
    heads, key_dim, _ = operator.sizes(width)
    return {
        "num_heads": heads,
        "head_dim": key_dim,
        "expand_v": float(operator.expand_v),
        "conv_size": operator.conv,
        "use_gate": True,
    }


def _gla_config(operator: GatedLinearAttention, width: int) -> Config:
    return {"num_heads": operator.sizes(width).heads, "expand_k": 0.5, "expand_v": 1.0, "use_short_conv": False}


KINDS = (
    LinearKind(
        DeltaNet,
        "delta_net",
        "DeltaNetForCausalLM",
        _deltanet_config,
        lambda operator, width, own: deltanet_weights(operator.sizes(width), own),
    ),
    LinearKind(
        GatedDeltaNet,
        "gated_deltanet",
        "GatedDeltaNetForCausalLM",
        _gated_deltanet_config,
        lambda operator, width, own: gated_deltanet_weights(operator.sizes(width), own),
    ),
    LinearKind(
        GatedLinearAttention,
        "gla",
        "GLAForCausalLM",
        _gla_config,
        lambda operator, width, own: gla_weights(operator.sizes(width), operator.gate_rank, own),
    ),
)


def fla_config(architecture: Architecture) -> Config:
    """Settings of the model class around the network's linear operator. Raises Misfit."""
    for each in of_kind(architecture, (Rwkv7,)):
        raise each.misfit(f"{_TITLE} has RWKV-7 with LayerNorm around it, and with FFNs of its own")
    kinds: Kinds = (*(kind.operator for kind in KINDS), Attention, SlidingWindowAttention, FeedForward)
    check_kinds(architecture, kinds, _TITLE)
    layers = blocks(architecture, _TITLE)
    kind = _kind(layers)
    operator = one_setting(architecture, kind.operator, _TITLE)
    ffn = one_setting(architecture, FeedForward, _TITLE)
    assert operator is not None and ffn is not None
    if isinstance(operator, GatedLinearAttention) and operator.gate_rank != _GATE_RANK:
        first = next(layer.mixer for layer in layers if isinstance(layer.mixer.operator, GatedLinearAttention))
        raise first.misfit(f"decays in {_TITLE} come from rank {_GATE_RANK}")
    return {
        "architectures": [kind.class_name],
        "model_type": kind.model_type,
        "num_hidden_layers": len(layers),
        "intermediate_size": ffn.hidden_size(architecture.width),
        "hidden_act": "swish",
        "norm_eps": INNER_EPS,
        "attn": _attention_config(layers, architecture.width),
        **kind.config(operator, architecture.width),
    }


def _kind(layers: list[Block]) -> LinearKind:
    """The class around the first linear operator. Raises Misfit without one, and for one of another kind."""
    linear = [layer.mixer for layer in layers if not isinstance(layer.mixer.operator, AttentionSpec)]
    if not linear:
        raise layers[0].mixer.misfit(f"in {_TITLE} attention stands between linear layers; format llama has it alone")
    first, *others = linear
    for other in others:
        if type(other.operator) is not type(first.operator):
            raise other.misfit(f"a network of {_TITLE} has one kind of linear layer, and {first} is another")
    return next(kind for kind in KINDS if isinstance(first.operator, kind.operator))


def _attention_config(layers: list[Block], width: int) -> Config | list[Config] | None:
    """Settings of layers with attention instead of the linear operator: one if all are alike, else one for each."""
    settings: list[Config] = []
    for index, layer in enumerate(layers):
        if isinstance(layer.mixer.operator, AttentionSpec):
            setting = _one_attention(layer.mixer, layer.mixer.operator, width)
            alike = next((other for other in settings if other | {"layers": []} == setting), None)
            if alike is None:
                settings.append(setting | {"layers": [index]})
            else:
                alike["layers"].append(index)
    return settings[0] if len(settings) == 1 else settings or None


def _one_attention(placed: Placed, attention: AttentionSpec, width: int) -> Config:
    sizes = attention.sizes(width)
    if attention.qk_norm:
        raise placed.misfit(f"between linear layers attention in {_TITLE} does not normalise queries and keys")
    if sizes.query_width != width:
        raise placed.misfit(f"the heads of attention in {_TITLE} fill the width; these are {sizes.query_width} wide")
    return {
        "layers": [],
        "num_heads": sizes.heads,
        "num_kv_heads": sizes.kv_heads,
        "qkv_bias": attention.qkv_bias,
        "window_size": attention.window if isinstance(attention, SlidingWindowAttention) else None,
        "rope_theta": attention.rope_theta,
    }


def _fla_weights(own: OwnWeights) -> Iterator[tuple[str, Tensor]]:
    width = own.architecture.width
    yield "model.embeddings.weight", own.embedding()
    for placed, norm, mixer in own.layers():
        start = f"model.layers.{placed.index // 2}"
        part = "mlp" if isinstance(placed.operator, FeedForward) else "attn"
        yield f"{start}.{part}_norm.weight", norm
        yield from prefixed(f"{start}.{part}", _mixer_weights(placed.operator, width, mixer)).items()
    yield "model.norm.weight", own.final_norm()
    if not own.architecture.tied_head:
        yield "lm_head.weight", own.head()


def _mixer_weights(operator: OperatorSpec, width: int, mixer: Weights) -> Weights:
    if isinstance(operator, FeedForward):
        return ffn_weights(mixer)
    if isinstance(operator, AttentionSpec):
        return attention_weights(operator.sizes(width), mixer)
    kind = next(kind for kind in KINDS if isinstance(operator, kind.operator))
    return kind.weights(operator, width, mixer)


FLA = NativeFormat(
    "fla",
    "a class of flash-linear-attention: DeltaNet, Gated DeltaNet or GLA and attention, each with an FFN",
    fla_config,
    _fla_weights,
    remarks=(
        ONE_EPS,
        "DeltaNet in flash-linear-attention does not read more than 64 tokens at once in float32: load with "
        "`dtype=torch.bfloat16` for that, and expect its rounding.",
    ),
    needs=(
        "It needs a GPU, torch, transformers 5 and flash-linear-attention (0.6 is what settings and names are "
        "checked against), and flash-attn where there is attention."
    ),
    also="import fla  # tells transformers about its models\n",
    stream_scale=STREAM_SCALE,
)
