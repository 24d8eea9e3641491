"""SwiGLU FFN against transformers, which computes it in float64 as it stands."""

import pytest
import torch
from agreement import WIDTH, assert_operator_agrees, call, every_length, every_precision, make
from layouts import ffn_weights
from transformers import LlamaConfig, Qwen3Config
from transformers.models.llama.modeling_llama import LlamaMLP
from transformers.models.qwen3.modeling_qwen3 import Qwen3MLP

from nas_search.space.operators.ffn.module import FeedForwardModule


@every_precision
@every_length
@pytest.mark.parametrize("notation", ["f", "f[hidden=100]"])
@pytest.mark.parametrize(("kind", "mlp"), [(LlamaConfig, LlamaMLP), (Qwen3Config, Qwen3MLP)], ids=["llama", "qwen3"])
def test_ffn(kind: type, mlp: type, notation: str, length: int, dtype: torch.dtype) -> None:
    ours = make(notation, dtype)
    assert isinstance(ours, FeedForwardModule)
    theirs = mlp(kind(hidden_size=WIDTH, intermediate_size=ours.out_proj.in_features))
    assert_operator_agrees(ours, lambda x: call(theirs, ffn_weights(ours), x), length)
