"""Attention and sliding-window attention against transformers.

Rotary tables, the norms of queries and keys, and the softmax are float32 there unless widened.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from agreement import NORM_EPS, WIDTH, assert_operator_agrees, call, every_length, every_precision, make, widened
from layouts import attention_weights
from torch import Tensor
from transformers import LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config
from transformers.masking_utils import create_causal_mask, create_sliding_window_causal_mask
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaRotaryEmbedding
from transformers.models.mistral.modeling_mistral import MistralAttention, MistralRotaryEmbedding
from transformers.models.qwen2.modeling_qwen2 import Qwen2Attention, Qwen2RotaryEmbedding
from transformers.models.qwen3.modeling_qwen3 import Qwen3Attention, Qwen3RotaryEmbedding

from nas_search.space.operators.attention.module import GroupedQueryAttention
from nas_search.space.operators.sliding_window.module import SlidingWindowModule


class Family(NamedTuple):
    """One public model's configuration, attention and positions."""

    config: type
    attention: type
    positions: type


FAMILIES = {
    "llama": Family(LlamaConfig, LlamaAttention, LlamaRotaryEmbedding),
    "mistral": Family(MistralConfig, MistralAttention, MistralRotaryEmbedding),
    "qwen2": Family(Qwen2Config, Qwen2Attention, Qwen2RotaryEmbedding),
    "qwen3": Family(Qwen3Config, Qwen3Attention, Qwen3RotaryEmbedding),
}
FULL = [
    ("llama", "a"),
    ("llama", "a[heads=8,kv=8]"),
    ("llama", "a[heads=4,kv=2,head_dim=32,rope_theta=500000]"),
    ("qwen2", "a[heads=4,kv=2,qkv_bias=yes]"),
    ("qwen3", "a[heads=4,kv=1,qk_norm=yes]"),
    ("qwen3", "a[heads=4,kv=2,head_dim=32,rope_theta=1000000,qk_norm=yes]"),
    ("qwen3", "a[heads=4,kv=2,qk_norm=yes,qkv_bias=yes]"),
]
# Our implementation is dense up to a window, masked up to two blocks of at least 64 tokens, banded beyond.
SLIDING = [
    ("mistral", "swa[window=1]"),
    ("mistral", "swa[window=5,heads=4,kv=2]"),
    ("mistral", "swa[window=33,head_dim=16]"),
    ("mistral", "swa[window=70]"),
    ("qwen2", "swa[window=5,heads=4,kv=4,qkv_bias=yes]"),
    ("qwen3", "swa[window=40,heads=4,kv=2,head_dim=32,qk_norm=yes]"),
]


def configure(kind: type, ours: GroupedQueryAttention, **options: Any) -> Any:
    """Their configuration of one layer of our sizes."""
    return kind(
        hidden_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=ours.heads,
        num_key_value_heads=ours.kv_heads,
        head_dim=ours.head_dim,
        rope_parameters={"rope_type": "default", "rope_theta": ours.rope_theta},
        rms_norm_eps=NORM_EPS,
        attn_implementation="eager",
        **options,
    )


def attention_of(family: Family, config: Any, ours: GroupedQueryAttention, mask: Callable[..., Tensor]) -> Any:
    """Their layer with our weights, as a function of its input."""
    weights = attention_weights(ours)
    dtype = ours.out_proj.weight.dtype
    theirs = family.attention(config, layer_idx=0)
    if "o_proj.bias" in theirs.state_dict():  # with Qwen3's biases comes one on the output; ours has none
        weights["o_proj.bias"] = torch.zeros(WIDTH, dtype=dtype)
    with widened(dtype):
        rotary = family.positions(config)

    def forward(x: Tensor) -> Tensor:
        positions = torch.arange(x.shape[1]).unsqueeze(0)
        masked = mask(config, x, None, None, positions)
        mixed: Tensor = call(theirs, weights, x, rotary(x, positions), masked)[0]
        return mixed

    return forward


@every_precision
@every_length
@pytest.mark.parametrize(("name", "notation"), FULL)
def test_attention(name: str, notation: str, length: int, dtype: torch.dtype) -> None:
    family, ours = FAMILIES[name], make(notation, dtype)
    assert isinstance(ours, GroupedQueryAttention)
    biased = {"attention_bias": ours.qkv_proj.bias is not None} if name == "qwen3" else {}
    config = configure(family.config, ours, **biased)
    assert_operator_agrees(ours, attention_of(family, config, ours, create_causal_mask), length)


@every_precision
@pytest.mark.parametrize("length", [1, 33, 100, 150])
@pytest.mark.parametrize(("name", "notation"), SLIDING)
def test_sliding_window_attention(name: str, notation: str, length: int, dtype: torch.dtype) -> None:
    """Their window counts the token itself, as ours does."""
    family, ours = FAMILIES[name], make(notation, dtype)
    assert isinstance(ours, SlidingWindowModule)
    layers = {} if name == "mistral" else {"use_sliding_window": True, "layer_types": ["sliding_attention"]}
    config = configure(family.config, ours, sliding_window=ours.window, **layers)
    assert_operator_agrees(ours, attention_of(family, config, ours, create_sliding_window_causal_mask), length)
