"""Attention and FFN in turn: the classes of Llama, Mistral, Ministral, Qwen2 and Qwen3."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas_search.results.export.mapping.folder import Config
from nas_search.results.export.mapping.misfit import (
    Block,
    Kinds,
    Placed,
    blocks,
    check_alike,
    check_kinds,
    of_kind,
    one_setting,
)
from nas_search.results.export.mapping.operator_weights import attention_weights, ffn_weights
from nas_search.results.export.mapping.own_weights import OwnWeights, prefixed
from nas_search.results.export.native.exporter import NativeFormat
from nas_search.results.export.native.remarks import LAYER_EPS
from nas_search.space.architecture import Architecture
from nas_search.space.operators.attention.spec import Attention, AttentionSpec
from nas_search.space.operators.ffn.spec import FeedForward
from nas_search.space.operators.sliding_window.spec import SlidingWindowAttention

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Family:
    """What the attention of a model class is like. ``mixes_windows`` says that each layer has a window or none."""

    name: str
    title: str
    class_name: str
    kinds: Kinds
    qk_norm: bool = False
    qkv_bias: bool = False
    mixes_windows: bool = False

    def config(self, architecture: Architecture) -> Config:
        """Settings of the model class. Raises Misfit."""
        if FULL[0] not in self.kinds:
            for each in of_kind(architecture, FULL):
                raise each.misfit(f"in {self.title} all attention has a window; format llama has none")
        check_kinds(architecture, (*self.kinds, FeedForward), self.title)
        layers = blocks(architecture, self.title)
        mixers = [layer.mixer for layer in layers]
        for mixer in mixers:
            self._check_options(mixer)
        check_alike(mixers, {"window"}, self.title)
        ffn = one_setting(architecture, FeedForward, self.title)
        attention = mixers[0].operator
        assert isinstance(attention, AttentionSpec) and ffn is not None
        return {
            "architectures": [self.class_name],
            "model_type": self.name,
            "num_hidden_layers": len(layers),
            "intermediate_size": ffn.hidden_size(architecture.width),
            "hidden_act": "silu",
            "rms_norm_eps": LAYER_EPS,
            **attention_config(attention, architecture.width),
            **self._windows(layers),
        }

    def _check_options(self, mixer: Placed) -> None:
        attention = mixer.operator
        assert isinstance(attention, AttentionSpec)
        for option, expected in (("qk_norm", self.qk_norm), ("qkv_bias", self.qkv_bias)):
            if getattr(attention, option) != expected:
                raise mixer.misfit(f"{self.title} has attention with {option}={'yes' if expected else 'no'} only")

    def _windows(self, layers: list[Block]) -> Config:
        """The window, if there is one, and which layers have it."""
        windowed = [layer.mixer for layer in layers if isinstance(layer.mixer.operator, SlidingWindowAttention)]
        if windowed:
            check_alike(windowed, (), self.title)
        window = windowed[0].operator.model_dump()["window"] if windowed else None
        if not self.mixes_windows:
            return {"sliding_window": window} if SlidingWindowAttention in self.kinds else {}
        types = ["sliding_attention" if layer.mixer in windowed else "full_attention" for layer in layers]
        return {"sliding_window": window, "use_sliding_window": bool(windowed), "layer_types": types}

    def format(self) -> NativeFormat:
        """The exporter."""
        about = f"the class of {self.title} in transformers"
        return NativeFormat(self.name, about, self.config, transformer_weights)


def attention_config(attention: AttentionSpec, width: int) -> Config:
    """Heads and positions, as most classes of transformers have them."""
    sizes = attention.sizes(width)
    return {
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "head_dim": sizes.head_dim,
        "rope_parameters": {"rope_type": "default", "rope_theta": attention.rope_theta},
    }


def transformer_weights(own: OwnWeights) -> Iterator[tuple[str, Tensor]]:
    """As of LlamaForCausalLM and its kind: an attention and an FFN of ours are one layer of theirs."""
    yield "model.embed_tokens.weight", own.embedding()
    for placed, norm, mixer in own.layers():
        start = f"model.layers.{placed.index // 2}"
        operator = placed.operator
        if isinstance(operator, AttentionSpec):
            yield f"{start}.input_layernorm.weight", norm
            sizes = operator.sizes(own.architecture.width)
            yield from prefixed(f"{start}.self_attn", attention_weights(sizes, mixer)).items()
        else:
            yield f"{start}.post_attention_layernorm.weight", norm
            yield from prefixed(f"{start}.mlp", ffn_weights(mixer)).items()
    yield "model.norm.weight", own.final_norm()
    if not own.architecture.tied_head:
        yield "lm_head.weight", own.head()


FULL: Kinds = (Attention,)
WINDOWED: Kinds = (SlidingWindowAttention,)

TRANSFORMERS = tuple(
    family.format()
    for family in (
        Family("llama", "Llama", "LlamaForCausalLM", FULL),
        Family("mistral", "Mistral", "MistralForCausalLM", WINDOWED),
        Family("ministral", "Ministral", "MinistralForCausalLM", FULL + WINDOWED, mixes_windows=True),
        Family("qwen2", "Qwen2", "Qwen2ForCausalLM", FULL + WINDOWED, qkv_bias=True, mixes_windows=True),
        Family("qwen3", "Qwen3", "Qwen3ForCausalLM", FULL + WINDOWED, qk_norm=True, mixes_windows=True),
    )
)
