"""Layers of other packages that compute the same as ours, with our weights.

A layer that transformers has is taken whole; :mod:`assembled` has the others. What a network computes once for all of
its layers, rotary tables and masks, is made beforehand.
"""

from __future__ import annotations

import sys
from functools import singledispatch
from pathlib import Path
from typing import Any

import torch
from assembled import AssembledDeltaNet, NaiveGla, NaiveRwkv7, Peer
from reference_code import fla_version, llama, mamba, mamba2, mistral, qwen3_next
from torch import Tensor, nn
from transformers import DynamicCache, LlamaConfig, Mamba2Config, MambaConfig, MistralConfig, Qwen3NextConfig

from nas_search.space.operators.attention.module import AttentionModule, GroupedQueryAttention
from nas_search.space.operators.delta_rule.mixer import NORM_EPS
from nas_search.space.operators.deltanet.module import DeltaNetModule
from nas_search.space.operators.ffn.module import FeedForwardModule
from nas_search.space.operators.gated_deltanet.module import GatedDeltaNetModule
from nas_search.space.operators.gla.module import GlaModule
from nas_search.space.operators.mamba.module import MambaModule
from nas_search.space.operators.mamba2.module import Mamba2Module
from nas_search.space.operators.module import Mixer
from nas_search.space.operators.rwkv7.module import Rwkv7Module
from nas_search.space.operators.sliding_window.module import SlidingWindowModule

# The tests know how our weights are called and laid out in transformers.
sys.path.append(str(Path(__file__).parents[2] / "tests/space/independent"))
from layouts import Weights, attention_weights, ffn_weights, gated_deltanet_weights, mamba2_weights, mamba_weights

LONGEST = 512
MAMBA2_CHUNKS = (64, 256)


class MixerOfTransformers(Peer):
    """A recurrent mixer."""

    def __init__(self, mixer: nn.Module, config: Any, weights: Weights) -> None:
        super().__init__()
        self.mixer, self.config = mixer, config
        mixer.load_state_dict({name: weight.detach() for name, weight in weights.items()})

    def forward(self, x: Tensor, cache: Any = None) -> Tensor:
        """As in its network."""
        y: Tensor = self.mixer(x, cache)
        return y

    def new_cache(self) -> Any:
        """The one that grows, which is the default of generation."""
        return DynamicCache(config=self.config)


class AttentionOfTransformers(MixerOfTransformers):
    """Attention through ``scaled_dot_product_attention``, within the window of the configuration if it has one."""

    def __init__(self, mixer: nn.Module, config: Any, weights: Weights) -> None:
        super().__init__(mixer, config, weights)
        self.rotary = llama.LlamaRotaryEmbedding(config)(torch.zeros(1), torch.arange(LONGEST).unsqueeze(0))
        window = getattr(config, "sliding_window", None)
        square = torch.ones(1, 1, LONGEST, LONGEST, dtype=torch.bool)
        self.mask = None if window is None else square.tril().triu(1 - window)

    def forward(self, x: Tensor, cache: Any = None) -> Tensor:
        """One token reads everything that its cache keeps, which needs no mask."""
        past, tokens = 0 if cache is None else cache.get_seq_length(), x.shape[1]
        mask = None if self.mask is None or tokens == 1 else self.mask[..., :tokens, :tokens]
        rows = tuple(table[:, past : past + tokens] for table in self.rotary)
        y: Tensor = self.mixer(x, rows, mask, cache)[0]
        return y


class MlpOfTransformers(MixerOfTransformers):
    """SwiGLU."""

    def forward(self, x: Tensor, cache: Any = None) -> Tensor:
        """Every token by itself."""
        y: Tensor = self.mixer(x)
        return y

    def new_cache(self) -> None:
        """Nothing to remember."""


@singledispatch
def peers(ours: Mixer) -> dict[str, Peer]:
    """By name; what follows a comma in it is of no importance to single tokens. Empty where there is no such layer."""
    return {}


@peers.register
def _attention(ours: AttentionModule) -> dict[str, Peer]:
    config = _attention_config(LlamaConfig, ours)
    layer = llama.LlamaAttention(config, layer_idx=0)
    return {"transformers": AttentionOfTransformers(layer, config, attention_weights(ours))}


@peers.register
def _sliding_window(ours: SlidingWindowModule) -> dict[str, Peer]:
    config = _attention_config(MistralConfig, ours, sliding_window=ours.window)
    layer = mistral.MistralAttention(config, layer_idx=0)
    return {"transformers": AttentionOfTransformers(layer, config, attention_weights(ours))}


def _attention_config(kind: type, ours: GroupedQueryAttention, **options: Any) -> Any:
    return kind(
        hidden_size=ours.out_proj.out_features,
        num_hidden_layers=1,
        num_attention_heads=ours.heads,
        num_key_value_heads=ours.kv_heads,
        head_dim=ours.head_dim,
        rope_parameters={"rope_type": "default", "rope_theta": ours.rope_theta},
        attn_implementation="sdpa",
        **options,
    )


@peers.register
def _ffn(ours: FeedForwardModule) -> dict[str, Peer]:
    width, hidden = ours.out_proj.out_features, ours.out_proj.in_features
    config = LlamaConfig(hidden_size=width, intermediate_size=hidden, num_hidden_layers=1)
    return {"transformers": MlpOfTransformers(llama.LlamaMLP(config), config, ffn_weights(ours))}


@peers.register
def _mamba(ours: MambaModule) -> dict[str, Peer]:
    width, sizes = ours.out_proj.out_features, ours.sizes
    config = MambaConfig(
        hidden_size=width,
        num_hidden_layers=1,
        state_size=sizes.state,
        expand=sizes.inner // width,
        conv_kernel=len(ours.conv.weight),
        time_step_rank=sizes.dt_rank,
    )
    layer = mamba.MambaMixer(config, layer_idx=0)
    return {"transformers": MixerOfTransformers(layer, config, mamba_weights(ours))}


@peers.register
def _mamba2(ours: Mamba2Module) -> dict[str, Peer]:
    width, sizes = ours.out_proj.out_features, ours.sizes
    found: dict[str, Peer] = {}
    for chunk in MAMBA2_CHUNKS:
        config = Mamba2Config(
            hidden_size=width,
            num_hidden_layers=1,
            num_heads=sizes.heads,
            head_dim=sizes.head_dim,
            state_size=sizes.state,
            n_groups=sizes.groups,
            expand=sizes.inner // width,
            conv_kernel=len(ours.conv.weight),
            chunk_size=chunk,
        )
        layer = mamba2.Mamba2Mixer(config, layer_idx=0)
        found[f"transformers, chunk {chunk}"] = MixerOfTransformers(layer, config, mamba2_weights(ours))
    return found


@peers.register
def _gated_deltanet(ours: GatedDeltaNetModule) -> dict[str, Peer]:
    heads, key_dim, value_dim = ours.sizes
    config = Qwen3NextConfig(
        hidden_size=ours.out_proj.out_features,
        num_hidden_layers=1,
        layer_types=["linear_attention"],
        linear_num_key_heads=heads,
        linear_num_value_heads=heads,
        linear_key_head_dim=key_dim,
        linear_value_head_dim=value_dim,
        linear_conv_kernel_dim=len(ours.conv.weight),
        rms_norm_eps=NORM_EPS,
    )
    layer = qwen3_next.Qwen3NextGatedDeltaNet(config, layer_idx=0)
    return {"transformers": MixerOfTransformers(layer, config, gated_deltanet_weights(ours))}


@peers.register
def _deltanet(ours: DeltaNetModule) -> dict[str, Peer]:
    return {"functions of transformers": AssembledDeltaNet(ours)}


@peers.register
def _gla(ours: GlaModule) -> dict[str, Peer]:
    return {"fla, recurrence": NaiveGla(ours)} if fla_version() else {}


@peers.register
def _rwkv7(ours: Rwkv7Module) -> dict[str, Peer]:
    return {"fla, recurrence": NaiveRwkv7(ours)} if fla_version() else {}
