"""Our weights under the names, and in the shapes, of transformers."""

import torch
from torch import Tensor

from nas_search.space.model import HybridLM
from nas_search.space.operators.attention.module import GroupedQueryAttention
from nas_search.space.operators.ffn.module import FeedForwardModule
from nas_search.space.operators.gated_deltanet.module import GatedDeltaNetModule
from nas_search.space.operators.mamba.module import MambaModule
from nas_search.space.operators.mamba2.module import Mamba2Module
from nas_search.space.operators.module import Mixer

Weights = dict[str, Tensor]


def attention_weights(ours: GroupedQueryAttention) -> Weights:
    """As of LlamaAttention, Qwen2Attention, Qwen3Attention and MistralAttention."""
    rows = [heads * ours.head_dim for heads in (ours.heads, ours.kv_heads, ours.kv_heads)]
    weights: Weights = {"o_proj.weight": ours.out_proj.weight}
    for name, fused in ours.qkv_proj.named_parameters():
        weights |= {f"{part}_proj.{name}": block for part, block in zip("qkv", fused.split(rows), strict=True)}
    if ours.q_norm is not None and ours.k_norm is not None:
        weights |= {"q_norm.weight": ours.q_norm, "k_norm.weight": ours.k_norm}
    return weights


def ffn_weights(ours: FeedForwardModule) -> Weights:
    """As of LlamaMLP and Qwen3MLP."""
    gate, up = ours.gate_up_proj.weight.chunk(2)
    return {"gate_proj.weight": gate, "up_proj.weight": up, "down_proj.weight": ours.out_proj.weight}


def transformer_weights(ours: HybridLM) -> Weights:
    """As of LlamaForCausalLM and its kind: an attention and an FFN of ours are one layer of theirs."""
    head = ours.embedding if ours.head is None else ours.head
    weights: Weights = {
        "model.embed_tokens.weight": ours.embedding,
        "model.norm.weight": ours.norm.weight,
        "lm_head.weight": head,
    }
    for index in range(len(ours.layers) // 2):
        attention, ffn = ours.layers[2 * index], ours.layers[2 * index + 1]
        layer = {"input_layernorm.weight": attention.norm.weight, "post_attention_layernorm.weight": ffn.norm.weight}
        layer |= prefixed("self_attn", attention_weights(attention.mixer))
        layer |= prefixed("mlp", ffn_weights(ffn.mixer))
        weights |= prefixed(f"model.layers.{index}", layer)
    return weights


def mamba_weights(ours: MambaModule) -> Weights:
    """As of MambaMixer."""
    weights = _with_conv1d(ours)
    return weights | {"A_log": weights["A_log"].view(ours.sizes.inner, ours.sizes.state)}


def mamba2_weights(ours: Mamba2Module) -> Weights:
    """As of Mamba2Mixer."""
    return _with_conv1d(ours)


def gated_deltanet_weights(ours: GatedDeltaNetModule) -> Weights:
    """As of Qwen3NextGatedDeltaNet, where projections go head by head: its rows of q, k, v and z, of beta and step."""
    heads, key_dim, value_dim = ours.sizes
    sizes = (key_dim, key_dim, value_dim, value_dim, 1, 1)
    blocks = ours.in_proj.weight.split([heads * size for size in sizes])
    by_head = [block.unflatten(0, (heads, -1)) for block in blocks]
    weights = _with_conv1d(ours)
    del weights["in_proj.weight"]
    return weights | {
        "in_proj_qkvz.weight": torch.cat(by_head[:4], 1).flatten(0, 1),
        "in_proj_ba.weight": torch.cat(by_head[4:], 1).flatten(0, 1),
    }


def prefixed(prefix: str, weights: Weights) -> Weights:
    """The weights of a part under the name of its whole."""
    return {f"{prefix}.{name}": weight for name, weight in weights.items()}


def _with_conv1d(ours: Mixer) -> Weights:
    """All weights, those of our short convolution [K, channels] as of ``nn.Conv1d``."""
    weights: Weights = {name.replace("conv.", "conv1d."): weight for name, weight in ours.named_parameters()}
    return weights | {"conv1d.weight": weights["conv1d.weight"].T.unsqueeze(1)}
