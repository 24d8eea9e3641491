"""Mamba-2 against the PyTorch path of transformers, whose scan and gated norm are float32 unless widened."""

import pytest
import torch
from agreement import MIXER_NORM_EPS, WIDTH, assert_operator_agrees, call, every_length, every_precision, make
from layouts import mamba2_weights
from public_code import mamba2
from transformers import Mamba2Config

from nas_search.space.operators.mamba2.module import Mamba2Module

VARIANTS = [
    "m2",
    "m2[groups=2,state=24]",
    "m2[expand=1,conv=2,head_dim=16]",
    "m2[expand=3,conv=5,groups=3]",
    "m2[conv=1]",
]


@every_precision
@every_length
@pytest.mark.parametrize("notation", VARIANTS)
def test_mamba2(notation: str, length: int, dtype: torch.dtype) -> None:
    ours = make(notation, dtype)
    assert isinstance(ours, Mamba2Module)
    sizes = ours.sizes
    config = Mamba2Config(
        hidden_size=WIDTH,
        num_hidden_layers=1,
        num_heads=sizes.heads,
        head_dim=sizes.head_dim,
        state_size=sizes.state,
        n_groups=sizes.groups,
        expand=sizes.inner // WIDTH,
        conv_kernel=len(ours.conv.weight),
        chunk_size=24,  # shorter than two of the sequences, and no divisor of them
        layer_norm_epsilon=MIXER_NORM_EPS,
    )
    theirs = mamba2.Mamba2Mixer(config, layer_idx=0)
    assert_operator_agrees(ours, lambda x: call(theirs, mamba2_weights(ours), x), length)
