"""Mamba against the PyTorch path of transformers, whose decay rates and states are float32 unless widened."""

import pytest
import torch
from agreement import WIDTH, assert_operator_agrees, call, every_length, every_precision, make
from layouts import mamba_weights
from public_code import mamba
from transformers import MambaConfig

from nas_search.space.operators.mamba.module import MambaModule


@every_precision
@every_length
@pytest.mark.parametrize("notation", ["m", "m[state=5,dt_rank=7]", "m[expand=1,conv=2]", "m[expand=3,conv=1]"])
def test_mamba(notation: str, length: int, dtype: torch.dtype) -> None:
    ours = make(notation, dtype)
    assert isinstance(ours, MambaModule)
    sizes = ours.sizes
    config = MambaConfig(
        hidden_size=WIDTH,
        num_hidden_layers=1,
        state_size=sizes.state,
        expand=sizes.inner // WIDTH,
        conv_kernel=len(ours.conv.weight),
        time_step_rank=sizes.dt_rank,
    )
    theirs = mamba.MambaMixer(config, layer_idx=0)
    assert_operator_agrees(ours, lambda x: call(theirs, mamba_weights(ours), x), length)
