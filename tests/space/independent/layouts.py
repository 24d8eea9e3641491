"""Our weights under the names, and in the shapes, of transformers: as exports have them, with their gradients."""

from torch import Tensor, nn

from nas_search.results.export.mapping import operator_weights
from nas_search.results.export.mapping.own_weights import OwnWeights
from nas_search.results.export.native import transformer
from nas_search.space.model import HybridLM
from nas_search.space.operators.attention.module import GroupedQueryAttention
from nas_search.space.operators.attention.spec import AttentionSizes
from nas_search.space.operators.ffn.module import FeedForwardModule
from nas_search.space.operators.gated_deltanet.module import GatedDeltaNetModule
from nas_search.space.operators.mamba.module import MambaModule
from nas_search.space.operators.mamba2.module import Mamba2Module

Weights = dict[str, Tensor]


def attention_weights(ours: GroupedQueryAttention) -> Weights:
    """As of LlamaAttention, Qwen2Attention, Qwen3Attention and MistralAttention."""
    sizes = AttentionSizes(ours.heads, ours.kv_heads, ours.head_dim)
    return operator_weights.attention_weights(sizes, parameters(ours))


def ffn_weights(ours: FeedForwardModule) -> Weights:
    """As of LlamaMLP and Qwen3MLP."""
    return operator_weights.ffn_weights(parameters(ours))


def transformer_weights(ours: HybridLM) -> Weights:
    """As of LlamaForCausalLM and its kind: an attention and an FFN of ours are one layer of theirs."""
    own = OwnWeights(ours.architecture, parameters(ours))
    return {**dict(transformer.transformer_weights(own)), "lm_head.weight": own.head()}


def mamba_weights(ours: MambaModule) -> Weights:
    """As of MambaMixer."""
    return operator_weights.mamba_weights(ours.sizes, parameters(ours))


def mamba2_weights(ours: Mamba2Module) -> Weights:
    """As of Mamba2Mixer."""
    return operator_weights.with_conv1d(parameters(ours))


def gated_deltanet_weights(ours: GatedDeltaNetModule) -> Weights:
    """As of Qwen3NextGatedDeltaNet."""
    return operator_weights.gated_deltanet_by_head(ours.sizes, parameters(ours))


def parameters(module: nn.Module) -> Weights:
    """All weights under our names."""
    return dict(module.named_parameters())
