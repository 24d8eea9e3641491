"""RWKV-7's recurrence against fla's, which is float32 unless widened, and the layer against its paper."""

import math

import pytest
import torch
from agreement import (
    BATCH,
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

from nas_search.space.operators.rwkv7.dplr import DplrTokens, chunked_dplr
from nas_search.space.operators.rwkv7.module import Rwkv7Module

HEADS = 3


@every_precision
@every_length
@pytest.mark.parametrize("size", [16, 32])
@pytest.mark.parametrize("strength", [0.6, 10.0])
def test_recurrence(strength: float, size: int, length: int, dtype: torch.dtype) -> None:
    """Decays of RWKV-7, and such as overflow when they are summed over a chunk; reads and writes that stay stable."""
    names = ("r", "log_decay", "k", "v", "a", "b")
    leaves = {name: random(BATCH, length, HEADS, size, dtype=dtype, seed=seed) for seed, name in enumerate(names)}

    def inputs(scale: float) -> DplrTokens:
        r, decay, k, v, a, b = leaves.values()
        removal = functional.normalize(a, dim=-1)
        return DplrTokens(r * scale, -strength * decay.sigmoid(), k, v, -removal, removal * b.sigmoid())

    def theirs() -> tuple[Tensor, Tensor]:
        r, log_decay, k, v, a, b = (x.transpose(1, 2) for x in inputs(1.0))
        y, state = fla_naive("generalized_delta_rule/dplr").dplr_recurrence(r, k, v, a, b, log_decay)
        return y.transpose(1, 2), state

    def ours() -> tuple[Tensor, Tensor]:
        return chunked_dplr(inputs(size**-0.5))

    with widened(dtype):
        expected = theirs()[1]
    assert_equal(ours()[1].detach(), expected.detach(), "state")
    assert_agree(lambda: ours()[0], lambda: theirs()[0], leaves.items())


def layer_of_the_paper(ours: Rwkv7Module, x: Tensor) -> Tensor:
    """Peng et al. 2025, section 4, with its symbols; the first layer, which has no value residual.

    Vectors are rows and states values by keys, as there. The norm's eps is the published 64e-5 for heads of 64.
    """
    weight = dict(ours.named_parameters())
    size = ours.head_dim

    def loramlp(name: str, shifted: Tensor, bias: Tensor | float) -> Tensor:
        activation = {"decay": torch.tanh, "rate": torch.nn.Identity(), "gate": torch.sigmoid}[name]
        return activation(shifted @ weight[f"{name}.down.weight"].T) @ weight[f"{name}.up.weight"].T + bias

    def by_head(part: Tensor) -> Tensor:
        return part.unflatten(-1, (-1, size))

    shifted = torch.cat((torch.zeros_like(x[:, :1]), x[:, :-1]), 1)
    x_r, x_d, x_k, x_v, x_a, x_g = (torch.lerp(x, shifted, mu) for mu in weight["mix"])

    # Weight preparation.
    a = by_head(torch.sigmoid(loramlp("rate", x_a, weight["rate.up.bias"])))
    key = x_k @ weight["k_proj.weight"].T
    removal = by_head(key * weight["k_k"])
    removal = removal / torch.linalg.vector_norm(removal, dim=-1, keepdim=True)
    replacement = by_head(key) * torch.lerp(torch.ones_like(a), a, by_head(weight["k_a"]))
    value = by_head(x_v @ weight["v_proj.weight"].T)
    w = torch.exp(-math.exp(-0.5) * torch.sigmoid(by_head(loramlp("decay", x_d, weight["decay.up.bias"]))))
    r = by_head(x_r @ weight["r_proj.weight"].T)
    g = loramlp("gate", x_g, 0.0)

    # Equation 17, the transition of every token as a whole matrix.
    transition = torch.diag_embed(w) - removal.unsqueeze(-1) * (a * removal).unsqueeze(-2)
    wkv = x.new_zeros(len(x), ours.heads, size, size)
    read = []
    for t in range(x.shape[1]):
        wkv = wkv @ transition[:, t] + value[:, t].unsqueeze(-1) * replacement[:, t].unsqueeze(-2)
        read.append(r[:, t].unsqueeze(-2) @ wkv.mT)
    mixed = torch.stack(read, 1).flatten(-3)

    # Read-out: the norm of each head, the bonus of the token itself, the gate.
    gain, shift = weight["norm_weight"], weight["norm_bias"]
    normed = functional.group_norm(mixed.flatten(0, 1), ours.heads, gain, shift, 64e-5 * size / 64).view_as(mixed)
    bonus = (r * by_head(weight["r_k"]) * replacement).sum(-1, keepdim=True) * value
    return (g * (normed + bonus.flatten(-2))) @ weight["out_proj.weight"].T


@every_length
@pytest.mark.parametrize("notation", ["r7", "r7[head_dim=16]", "r7[head_dim=64,rank=8,gate_rank=24]"])
def test_layer(notation: str, length: int) -> None:
    ours = make(notation, torch.float64)
    assert isinstance(ours, Rwkv7Module)
    assert_operator_agrees(ours, lambda x: layer_of_the_paper(ours, x), length)
