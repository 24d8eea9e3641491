"""Gated linear attention against fla's recurrence, which is float32 unless widened, and the layer against its paper."""

import pytest
import torch
from agreement import (
    BATCH,
    MIXER_NORM_EPS,
    assert_agree,
    assert_equal,
    assert_operator_agrees,
    every_length,
    every_precision,
    make,
    random,
    widened,
)
from public_code import fla_naive
from torch import Tensor
from torch.nn import functional

from nas_search.space.operators.gla.gated_linear_attention import chunked_gated_linear_attention
from nas_search.space.operators.gla.module import GlaModule

HEADS = 3


@every_precision
@every_length
@pytest.mark.parametrize(("key_dim", "value_dim"), [(16, 32), (32, 16)])
@pytest.mark.parametrize("strength", [1 / 16, 1.0, 10.0])
def test_recurrence(strength: float, key_dim: int, value_dim: int, length: int, dtype: torch.dtype) -> None:
    """Decays of a fresh layer, of a forgetful one, and such as overflow when they are summed over a chunk."""
    shapes = {"q": key_dim, "k": key_dim, "v": value_dim, "log_decay": key_dim}
    leaves = {
        name: random(BATCH, length, HEADS, size, dtype=dtype, seed=seed)
        for seed, (name, size) in enumerate(shapes.items())
    }
    q, k, v, gate = leaves.values()

    def ours() -> tuple[Tensor, Tensor]:
        return chunked_gated_linear_attention(q * key_dim**-0.5, k, v, strength * functional.logsigmoid(gate))

    def theirs() -> tuple[Tensor, Tensor]:
        recurrence = fla_naive("gla").naive_recurrent_gla
        y, state = recurrence(q, k, v, strength * functional.logsigmoid(gate), output_final_state=True)
        return y, state

    with widened(dtype):
        expected = theirs()[1]
    assert_equal(ours()[1].detach(), expected.detach(), "state")
    assert_agree(lambda: ours()[0], lambda: theirs()[0], leaves.items())


def layer_of_the_paper(ours: GlaModule, x: Tensor) -> Tensor:
    """Yang et al. 2023: section 4.4 for the layer, the parallel form of section 4.1 for its attention.

    As in the published models queries are scaled by ``K ** -0.5``, the norm is an RMSNorm and the gate has no bias.
    """
    heads, key_dim, value_dim = ours.sizes
    *projections, low_rank = ours.in_proj.weight.split(ours.parts)
    q, k, v, swish = (functional.linear(x, weight) for weight in projections)
    alpha = torch.sigmoid(
        functional.linear(functional.linear(x, low_rank), ours.decay_proj.weight, ours.decay_proj.bias)
    )
    b = torch.cumprod(alpha ** (1 / 16), 1)
    causal = torch.ones(x.shape[1], x.shape[1], dtype=x.dtype).tril()
    outputs = []
    for head in range(heads):
        keys = slice(head * key_dim, (head + 1) * key_dim)
        scores = (q * b)[..., keys] @ (k / b)[..., keys].mT * key_dim**-0.5 * causal
        mixed = scores @ v[..., head * value_dim : (head + 1) * value_dim]
        outputs.append(functional.rms_norm(mixed, (value_dim,), ours.norm.weight, MIXER_NORM_EPS))
    return functional.linear(torch.cat(outputs, -1) * functional.silu(swish), ours.out_proj.weight)


@every_length
@pytest.mark.parametrize("notation", ["gla", "gla[head_dim=16]", "gla[head_dim=64,gate_rank=4]"])
def test_layer(notation: str, length: int) -> None:
    ours = make(notation, torch.float64)
    assert isinstance(ours, GlaModule)
    assert_operator_agrees(ours, lambda x: layer_of_the_paper(ours, x), length)
