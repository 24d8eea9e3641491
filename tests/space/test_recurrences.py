"""The chunked recurrences against plain loops, where decays are strong, weak and mixed."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from nas_search.space.notation import parse_operator
from nas_search.space.operators.channel_decay import LARGEST_EXPONENT, LENGTHS, channel_decay, cut_off
from nas_search.space.operators.delta_rule.recurrence import chunked_delta_rule
from nas_search.space.operators.gla.gated_linear_attention import chunked_gated_linear_attention
from nas_search.space.operators.rwkv7.dplr import DplrTokens, chunked_dplr

BATCH, HEADS, KEY, VALUE = 2, 3, 16, 8
# Log decays of a token: none, as trained networks have them, and beyond what any precision keeps.
DECAYS = {"none": (0.0, 0.0), "weak": (-0.2, 0.0), "strong": (-12.0, -3.0), "extreme": (-300.0, -30.0)}
Result = tuple[Tensor, Tensor]


class Case(NamedTuple):
    """A chunked function, the loop that it must equal, and the shape of its log decays after [B, T, H]."""

    chunked: Callable[..., Result]
    plain: Callable[..., Result]
    inputs: Callable[[int, Tensor], tuple[Tensor, ...]]
    channels: tuple[int, ...]


def unit(*shape: int) -> Tensor:
    return functional.normalize(torch.randn(shape, dtype=torch.float64), dim=-1)


def keys_and_values(tokens: int) -> tuple[Tensor, Tensor, Tensor]:
    keys = (BATCH, tokens, HEADS, KEY)
    return unit(*keys), unit(*keys), torch.randn(BATCH, tokens, HEADS, VALUE, dtype=torch.float64)


def delta_inputs(tokens: int, log_decay: Tensor) -> tuple[Tensor, ...]:
    beta = torch.rand(BATCH, tokens, HEADS, dtype=torch.float64)
    return (*keys_and_values(tokens), beta, log_decay)


def gla_inputs(tokens: int, log_decay: Tensor) -> tuple[Tensor, ...]:
    return (*keys_and_values(tokens), log_decay)


def dplr_inputs(tokens: int, log_decay: Tensor) -> tuple[Tensor, ...]:
    r, k, v = keys_and_values(tokens)
    a = unit(BATCH, tokens, HEADS, KEY)
    return r, log_decay, k, v, -a, a * torch.rand_like(a)


def plain_delta(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_decay: Tensor) -> Result:
    state, outputs = q.new_zeros(BATCH, HEADS, KEY, VALUE), []
    for t in range(q.shape[1]):
        state = state * log_decay[:, t, :, None, None].exp()
        correction = beta[:, t, :, None] * (v[:, t] - torch.einsum("bhkv,bhk->bhv", state, k[:, t]))
        state = state + torch.einsum("bhk,bhv->bhkv", k[:, t], correction)
        outputs.append(torch.einsum("bhkv,bhk->bhv", state, q[:, t]))
    return torch.stack(outputs, 1), state


def plain_gla(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor) -> Result:
    nothing = torch.zeros_like(k)
    return plain_dplr(q, log_decay, k, v, nothing, nothing)


def plain_dplr(*tokens: Tensor) -> Result:
    r, log_decay, k, v, a, b = tokens
    state, outputs = r.new_zeros(BATCH, HEADS, KEY, VALUE), []
    for t in range(r.shape[1]):
        recalled = torch.einsum("bhkv,bhk->bhv", state, a[:, t])
        state = state * log_decay[:, t].exp()[..., None]
        state = state + torch.einsum("bhk,bhv->bhkv", b[:, t], recalled)
        state = state + torch.einsum("bhk,bhv->bhkv", k[:, t], v[:, t])
        outputs.append(torch.einsum("bhkv,bhk->bhv", state, r[:, t]))
    return torch.stack(outputs, 1), state


CASES = {
    "delta rule": Case(chunked_delta_rule, plain_delta, delta_inputs, ()),
    "gated linear attention": Case(chunked_gated_linear_attention, plain_gla, gla_inputs, (KEY,)),
    "diagonal plus low rank": Case(lambda *tokens: chunked_dplr(DplrTokens(*tokens)), plain_dplr, dplr_inputs, (KEY,)),
}


def draw_decays(kinds: tuple[str, ...], tokens: int, channels: tuple[int, ...]) -> Tensor:
    """Every number of one of the kinds, at random."""
    shape = (BATCH, tokens, HEADS, *channels)
    ranges = torch.tensor([DECAYS[kind] for kind in kinds], dtype=torch.float64)
    low, high = ranges[torch.randint(len(kinds), shape)].unbind(-1)
    return low + (high - low) * torch.rand(shape, dtype=torch.float64)


@pytest.mark.parametrize("kinds", [*((kind,) for kind in DECAYS), tuple(DECAYS)], ids="+".join)
@pytest.mark.parametrize("tokens", [1, 7, 8, 33, 100])
@pytest.mark.parametrize("name", CASES)
def test_chunks_equal_the_loop(name: str, tokens: int, kinds: tuple[str, ...]) -> None:
    torch.manual_seed(tokens)
    case = CASES[name]
    inputs = case.inputs(tokens, draw_decays(kinds, tokens, case.channels))
    leaves = [x.requires_grad_() for x in inputs]
    y, state = case.chunked(*leaves)
    expected, expected_state = case.plain(*leaves)
    assert (y - expected).abs().max() <= 1e-12 * expected.abs().max()
    assert (state - expected_state).abs().max() <= 1e-12 * expected_state.abs().max()
    direction = torch.randn_like(expected)
    ours = torch.autograd.grad(y, leaves, direction)
    theirs = torch.autograd.grad(expected, leaves, direction)
    for found, wanted in zip(ours, theirs, strict=True):
        assert (found - wanted).abs().max() <= 1e-11 * max(wanted.abs().max().item(), 1e-3)


@pytest.mark.parametrize("kinds", [*((kind,) for kind in DECAYS), tuple(DECAYS)], ids="+".join)
@pytest.mark.parametrize("name", CASES)
def test_float32_is_near_and_finite(name: str, kinds: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    case = CASES[name]
    inputs = case.inputs(200, draw_decays(kinds, 200, case.channels))
    leaves = [x.float().requires_grad_() for x in inputs]
    y, state = case.chunked(*leaves)
    expected, expected_state = case.plain(*inputs)
    assert (y - expected).norm() <= 1e-5 * expected.norm()
    assert (state - expected_state).norm() <= 1e-5 * expected_state.norm()
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(y.sum(), leaves))


@pytest.mark.parametrize(
    ("log_decay", "length"), [(-0.1, LENGTHS[0]), (-4.0, LENGTHS[1]), (-7.0, LENGTHS[2]), (-300.0, LENGTHS[3])]
)
def test_chunks_are_as_long_as_decays_allow(log_decay: float, length: int) -> None:
    decay = channel_decay(cut_off(torch.full((1, 64, 1, 4), log_decay)))
    assert decay.length == length
    largest = torch.tensor(LARGEST_EXPONENT[torch.float32]).exp()
    assert all((scale <= largest * 1.001).all() for scale in (decay.rows, decay.columns, decay.half))


def test_decays_are_computed_in_float32_from_rounded_weights() -> None:
    torch.manual_seed(0)
    gated, mamba = (parse_operator(code).build(64).bfloat16() for code in ("gd", "m"))
    gates = torch.randn(BATCH, gated.in_proj.out_features - gated.sizes.convolved).bfloat16()
    _, log_decay = gated.rates(gates)
    _, exact = gated.double().rates(gates.double())
    torch.testing.assert_close(log_decay, exact.float())
    rates = -mamba.A_log.double().exp().view(128, 16)
    torch.testing.assert_close(mamba._rates(), rates.float())
