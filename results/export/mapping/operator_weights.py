"""Our operators' weights under the names, and in the shapes, that transformers and fla have for them.

Blocks of rows are views of our fused matrices. Everything is differentiable, so public code can run on our weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas_search.results.export.mapping.own_weights import Weights
from nas_search.space.operators.attention.spec import AttentionSizes
from nas_search.space.operators.delta_rule.spec import DeltaSizes
from nas_search.space.operators.gla.spec import GlaSizes
from nas_search.space.operators.mamba.spec import MambaSizes

if TYPE_CHECKING:
    from torch import Tensor


def attention_weights(sizes: AttentionSizes, own: Weights) -> Weights:
    """As of LlamaAttention, Qwen2Attention, Qwen3Attention and MistralAttention."""
    rows = [sizes.query_width, sizes.kv_width, sizes.kv_width]
    weights: Weights = {}
    for name in ("weight", "bias"):
        if f"qkv_proj.{name}" in own:
            parts = own[f"qkv_proj.{name}"].split_with_sizes(rows)
            weights |= {f"{part}_proj.{name}": block for part, block in zip("qkv", parts, strict=True)}
    weights["o_proj.weight"] = own["out_proj.weight"]
    return weights | {f"{name}.weight": own[name] for name in ("q_norm", "k_norm") if name in own}


def ffn_weights(own: Weights) -> Weights:
    """As of LlamaMLP and Qwen3MLP."""
    gate, up = own["gate_up_proj.weight"].chunk(2)
    return {"gate_proj.weight": gate, "up_proj.weight": up, "down_proj.weight": own["out_proj.weight"]}


def mamba_weights(sizes: MambaSizes, own: Weights) -> Weights:
    """As of MambaMixer."""
    return with_conv1d(own) | {"A_log": own["A_log"].view(sizes.inner, sizes.state)}


def with_conv1d(own: Weights) -> Weights:
    """All weights, those of our short convolution [K, channels] as of ``nn.Conv1d``; so Mamba2Mixer has them."""
    return {name.replace("conv.", "conv1d."): _taps_last(name, weight) for name, weight in own.items()}


def gated_deltanet_by_head(sizes: DeltaSizes, own: Weights) -> Weights:
    """As of Qwen3NextGatedDeltaNet, where projections go head by head: its rows of q, k, v and z, of beta and step."""
    import torch

    heads, key_dim, value_dim = sizes
    rows = (key_dim, key_dim, value_dim, value_dim, 1, 1)
    blocks = own["in_proj.weight"].split_with_sizes([heads * size for size in rows])
    by_head = [torch.unflatten(block, 0, (heads, -1)) for block in blocks]
    weights = with_conv1d(own)
    del weights["in_proj.weight"]
    return weights | {
        "in_proj_qkvz.weight": torch.cat(by_head[:4], 1).flatten(0, 1),
        "in_proj_ba.weight": torch.cat(by_head[4:], 1).flatten(0, 1),
    }


def deltanet_weights(sizes: DeltaSizes, own: Weights) -> Weights:
    """As of fla's DeltaNet, which Nemotron-Flash has too."""
    return _delta_weights(sizes, own, {"b": sizes.heads})


def gated_deltanet_weights(sizes: DeltaSizes, own: Weights) -> Weights:
    """As of fla's GatedDeltaNet."""
    gates = {"g": sizes.inner, "b": sizes.heads, "a": sizes.heads}
    return _delta_weights(sizes, own, gates) | {name: own[name] for name in ("A_log", "dt_bias")}


def gla_weights(sizes: GlaSizes, gate_rank: int, own: Weights) -> Weights:
    """As of fla's GatedLinearAttention."""
    rows = {"q": sizes.keys, "k": sizes.keys, "v": sizes.values, "g": sizes.values, "gk": gate_rank}
    weights = _projections(own["in_proj.weight"], rows)
    weights["gk_proj.0.weight"] = weights.pop("gk_proj.weight")
    return weights | {
        "gk_proj.1.weight": own["decay_proj.weight"],
        "gk_proj.1.bias": own["decay_proj.bias"],
        "g_norm_swish_gate.weight": own["norm.weight"],
        "o_proj.weight": own["out_proj.weight"],
    }


def _delta_weights(sizes: DeltaSizes, own: Weights, gates: dict[str, int]) -> Weights:
    keys = sizes.heads * sizes.key_dim
    channels = {"q": keys, "k": keys, "v": sizes.inner}
    taps = own["conv.weight"].split_with_sizes(list(channels.values()), 1)
    return {
        **_projections(own["in_proj.weight"], channels | gates),
        **{f"{part}_conv1d.weight": block.T.unsqueeze(1) for part, block in zip(channels, taps, strict=True)},
        "o_norm.weight": own["norm.weight"],
        "o_proj.weight": own["out_proj.weight"],
    }


def _projections(fused: Tensor, rows: dict[str, int]) -> Weights:
    """Blocks of rows, each a projection of its own."""
    blocks = fused.split_with_sizes(list(rows.values()))
    return {f"{part}_proj.weight": block for part, block in zip(rows, blocks, strict=True)}


def _taps_last(name: str, weight: Tensor) -> Tensor:
    return weight.T.unsqueeze(1) if name == "conv.weight" else weight
