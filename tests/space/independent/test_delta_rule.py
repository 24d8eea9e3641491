"""The delta rule, DeltaNet and Gated DeltaNet against fla's recurrences and the layers of Qwen3-Next.

Public rules compute in float32 unless widened, and scale queries by ``K ** -0.5``, which our layers leave to the norm.
"""

from collections.abc import Callable

import pytest
import torch
from agreement import (
    BATCH,
    MIXER_NORM_EPS,
    WIDTH,
    assert_agree,
    assert_equal,
    assert_operator_agrees,
    call,
    every_length,
    every_precision,
    make,
    random,
    widened,
)
from layouts import gated_deltanet_weights
from public_code import fla_naive, qwen3_next
from torch import Tensor
from torch.nn import functional
from transformers import Qwen3NextConfig
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from nas_search.space.operators.delta_rule.recurrence import chunked_delta_rule
from nas_search.space.operators.deltanet.module import DeltaNetModule
from nas_search.space.operators.gated_deltanet.module import GatedDeltaNetModule

Rule = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]

HEADS = 3


def rule_of_qwen3_next(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_decay: Tensor) -> tuple[Tensor, Tensor]:
    rule = qwen3_next.torch_chunk_gated_delta_rule
    y, state = rule(q, k, v, g=log_decay, beta=beta, chunk_size=24, output_final_state=True)
    return y, state


def gated_rule_of_fla(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_decay: Tensor) -> tuple[Tensor, Tensor]:
    rule = fla_naive("gated_delta_rule").naive_recurrent_gated_delta_rule
    y, state = rule(q, k, v, beta, log_decay, output_final_state=True)
    return y, state


def plain_rule_of_fla(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
    heads_first = [x.transpose(1, 2) for x in (q, k, v, beta)]
    y, state = fla_naive("delta_rule").delta_rule_recurrence(*heads_first)
    return y.transpose(1, 2), state


gated_rules = pytest.mark.parametrize("rule", [rule_of_qwen3_next, gated_rule_of_fla])
plain_rules = pytest.mark.parametrize("rule", [rule_of_qwen3_next, plain_rule_of_fla])
every_shape = pytest.mark.parametrize(("key_dim", "value_dim"), [(16, 16), (32, 32), (16, 48)])


def assert_rule_agrees(
    rule: Rule, key_dim: int, value_dim: int, length: int, dtype: torch.dtype, *, gated: bool
) -> None:
    q, k = (random(BATCH, length, HEADS, key_dim, dtype=dtype, seed=seed) for seed in (0, 1))
    v = random(BATCH, length, HEADS, value_dim, dtype=dtype, seed=2)
    rate, gate = (random(BATCH, length, HEADS, dtype=dtype, seed=seed) for seed in (3, 4))
    leaves = {"q": q, "k": k, "v": v, "beta": rate} | ({"log_decay": gate} if gated else {})

    def inputs(scale: float) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        log_decay = -functional.softplus(3 * gate) if gated else torch.zeros_like(gate)
        return q * scale, functional.normalize(k, dim=-1), v, rate.sigmoid(), log_decay

    def ours() -> tuple[Tensor, Tensor]:
        *token, log_decay = inputs(key_dim**-0.5)
        return chunked_delta_rule(*token, log_decay if gated else None)

    with widened(dtype):
        state = rule(*inputs(1.0))[1]
    assert_equal(ours()[1], state.detach(), "state")
    assert_agree(lambda: ours()[0], lambda: rule(*inputs(1.0))[0], leaves.items())


@every_precision
@every_length
@every_shape
@plain_rules
def test_delta_rule(rule: Rule, key_dim: int, value_dim: int, length: int, dtype: torch.dtype) -> None:
    assert_rule_agrees(rule, key_dim, value_dim, length, dtype, gated=False)


@every_precision
@every_length
@every_shape
@gated_rules
def test_gated_delta_rule(rule: Rule, key_dim: int, value_dim: int, length: int, dtype: torch.dtype) -> None:
    assert_rule_agrees(rule, key_dim, value_dim, length, dtype, gated=True)


@every_precision
@every_length
@plain_rules
@pytest.mark.parametrize("notation", ["d", "d[head_dim=16,conv=2]", "d[head_dim=64,conv=1]"])
def test_deltanet(notation: str, rule: Rule, length: int, dtype: torch.dtype) -> None:
    """The layer as published: convolutions, normalised queries and keys, norm of each head with the usual eps."""
    ours = make(notation, dtype)
    assert isinstance(ours, DeltaNetModule)
    heads = ours.sizes.heads
    norm = LlamaRMSNorm(WIDTH // heads, MIXER_NORM_EPS)

    def theirs(x: Tensor) -> Tensor:
        qkv, rate = functional.linear(x, ours.in_proj.weight).split([3 * WIDTH, heads], -1)
        convolved = qwen3_next.causal_conv1d_fn(qkv.mT, ours.conv.weight.T, activation="silu").mT
        q, k, v = (part.unflatten(-1, (heads, -1)) for part in convolved.chunk(3, -1))
        y, _ = rule(qwen3_next.l2norm(q), qwen3_next.l2norm(k), v, rate.sigmoid(), torch.zeros_like(rate))
        return functional.linear(call(norm, {"weight": ours.norm.weight}, y).flatten(2), ours.out_proj.weight)

    assert_operator_agrees(ours, theirs, length)


@every_precision
@every_length
@pytest.mark.parametrize("notation", ["gd", "gd[head_dim=16,conv=2]", "gd[head_dim=64,conv=1]", "gd[expand_v=2]"])
def test_gated_deltanet(notation: str, length: int, dtype: torch.dtype) -> None:
    """Qwen3-Next's whole layer, with as many value heads as key heads."""
    ours = make(notation, dtype)
    assert isinstance(ours, GatedDeltaNetModule)
    heads, key_dim, value_dim = ours.sizes
    config = Qwen3NextConfig(
        hidden_size=WIDTH,
        num_hidden_layers=1,
        layer_types=["linear_attention"],
        linear_num_key_heads=heads,
        linear_num_value_heads=heads,
        linear_key_head_dim=key_dim,
        linear_value_head_dim=value_dim,
        linear_conv_kernel_dim=len(ours.conv.weight),
        rms_norm_eps=MIXER_NORM_EPS,
    )
    theirs = qwen3_next.Qwen3NextGatedDeltaNet(config, layer_idx=0)
    assert_operator_agrees(ours, lambda x: call(theirs, gated_deltanet_weights(ours), x), length)
