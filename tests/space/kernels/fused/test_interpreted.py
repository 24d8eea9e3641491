"""The kernels' arithmetic, addresses and masks, against the plain steps on a CPU."""

from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import pytest
import torch
from fused_cases import (
    ATTENTION,
    CASES,
    cursor_at,
    decode,
    fenced,
    intact,
    make_layer,
    make_tokens,
    names,
    reference,
    worst_error,
)
from torch import Tensor
from torch.nn import functional

from nas_search.space.operators.attention import module as attention
from nas_search.space.operators.attention.kernels import cached_attention
from nas_search.space.operators.module import Cursor, Projection, StateFormat
from nas_search.space.operators.rms_norm import RMSNorm
from nas_search.space.operators.short_convolution import ShortConvolution

FLOAT32 = 2e-6
# States and outputs have eight bits; the interpreter cuts off the others, a GPU rounds to the nearest.
BFLOAT16 = 1e-2
# What goes into a memory is computed in float32, but for the last inputs of the convolution, which have eight bits.
FLOAT32_MEMORY = 1e-3
RECURRENT = ("m2", "d", "gd")
# No size of these is a power of two.
ODD_CASES = (
    ("a[heads=3,kv=1,head_dim=6,qk_norm=yes,qkv_bias=yes]", 45),
    ("m2[conv=3,groups=3,head_dim=6,state=11]", 45),
    ("gd[head_dim=15,expand_v=3,conv=3]", 45),
    ("d[head_dim=9]", 45),
)

every_case = pytest.mark.parametrize(("notation", "width"), CASES, ids=names(CASES))


@pytest.mark.parametrize("batch", [1, 3])
@every_case
def test_fused_steps_equal_plain_steps(interpreted: ModuleType, notation: str, width: int, batch: int) -> None:
    layer, tokens = make_layer(notation, width), make_tokens(2, batch, width)
    fused = decode(layer, tokens, interpreted.FUSED_STEPS)
    assert worst_error(fused, decode(layer, tokens)) <= FLOAT32


@pytest.mark.parametrize(("notation", "width"), ATTENTION, ids=names(ATTENTION))
def test_a_bounded_cursor_reads_what_an_exact_one_reads(interpreted: ModuleType, notation: str, width: int) -> None:
    layer, tokens = make_layer(notation, width), make_tokens(5, 2, width)
    fused = decode(layer, tokens, interpreted.FUSED_STEPS, bounded=True)
    assert worst_error(fused, decode(layer, tokens)) <= FLOAT32


def tokens_first(mixed: Tensor) -> Tensor:
    """As PyTorch's memory-efficient attention lays out its result."""
    return mixed.transpose(1, 2).contiguous().transpose(1, 2)


def padded(mixed: Tensor) -> Tensor:
    """As PyTorch's FlashAttention returns heads that are no multiple of 8."""
    size = mixed.shape[-1]
    return functional.pad(mixed, (0, -size % 8))[..., :size]


@pytest.mark.parametrize("lay_out", [tokens_first, padded])
@pytest.mark.parametrize("notation", ["a[heads=4,kv=2,head_dim=12]", "a[heads=1,head_dim=12]"])
def test_kernels_of_attention_may_lay_out_heads_as_they_like(
    interpreted: ModuleType, monkeypatch: pytest.MonkeyPatch, notation: str, lay_out: Callable[[Tensor], Tensor]
) -> None:
    def attend(q: Tensor, cache: Tensor, cursor: Cursor) -> Tensor:
        return lay_out(cached_attention(q, cache, cursor))

    layer, tokens = make_layer(notation, 40), make_tokens(2, 3, 40)
    expected = decode(layer, tokens)
    monkeypatch.setattr(attention, "CACHED_ATTENTION", SimpleNamespace(on=lambda device: attend))
    assert worst_error(decode(layer, tokens), expected) <= FLOAT32
    assert worst_error(decode(layer, tokens, interpreted.FUSED_STEPS), expected) <= FLOAT32


@pytest.mark.parametrize("notation", ["a", "m2", "d", "gd", "f"])
def test_small_numbers_feel_every_eps(interpreted: ModuleType, notation: str) -> None:
    layer, tokens = make_layer(notation, 32), 1e-3 * make_tokens(2, 1, 32)
    if notation not in {"a", "f"}:
        with torch.no_grad():
            layer.mixer.conv.weight.mul_(1e-3)
    fused = decode(layer, tokens, interpreted.FUSED_STEPS, fill=0.0)
    assert worst_error(fused, decode(layer, tokens, fill=0.0)) <= FLOAT32


@pytest.mark.parametrize("memory", [torch.float32, torch.bfloat16])
@every_case
def test_half_precision_stays_near_float64(
    interpreted: ModuleType, notation: str, width: int, memory: torch.dtype
) -> None:
    layer, tokens = make_layer(notation, width).bfloat16(), make_tokens(2, 1, width)
    fused = decode(layer, tokens, interpreted.FUSED_STEPS, memory=memory)
    exact = reference(layer, tokens)
    assert worst_error(fused, exact) <= BFLOAT16
    if memory == torch.float32 and notation.startswith(RECURRENT):
        assert worst_error((fused[1][0], ()), (exact[1][0], ())) <= FLOAT32_MEMORY


@pytest.mark.parametrize(("notation", "width"), ODD_CASES, ids=names(ODD_CASES))
def test_nothing_beyond_the_tensors_is_read_or_written(interpreted: ModuleType, notation: str, width: int) -> None:
    layer, x = make_layer(notation, width), make_tokens(1, 1, width)[0]
    fences = []
    for weight in layer.parameters():
        weight.data, memory = fenced(weight.data)
        fences.append(memory)
    empty = layer.mixer.new_state(1, 1, StateFormat.like(x))
    state, memories = zip(*map(fenced, empty), strict=True)
    with torch.inference_mode():
        step = interpreted.FUSED_STEPS[type(layer.mixer)]
        y = step(layer.norm, layer.mixer, fenced(x)[0], state, cursor_at(0, x.device))
    assert all(part.isfinite().all() for part in (y, *state))
    assert all(map(intact, (*fences, *memories)))


@pytest.mark.parametrize("taps", [None, 1, 3])
def test_a_projection_with_bias(interpreted: ModuleType, taps: int | None) -> None:
    """Rows before, among and after the convolved ones; their state is shifted, a bias is added to both."""
    torch.manual_seed(0)
    norm, projection, x = RMSNorm(40), Projection(40, 70, bias=True), torch.randn(3, 40)
    convolution, state = ShortConvolution(33, taps or 1, bias=True), torch.randn(3, (taps or 1) - 1, 33)
    with torch.inference_mode():
        norm.weight.normal_()
        projection.bias.normal_()
        expected, after = projection(norm(x)), state.clone()
        if taps is not None:
            expected[:, 20:53] = functional.silu(convolution.step(expected[:, 20:53], after))
        rows = None if taps is None else interpreted.ConvolvedRows(20, convolution, state)
        actual = interpreted.norm_project(x, norm, projection, rows)
    assert worst_error((actual, (state,)), (expected, (after,))) <= FLOAT32


def test_tiny_steps_keep_their_precision(interpreted: ModuleType) -> None:
    """softplus far below zero: 1 + exp(x) rounds to 1, or to a number with a few bits of exp(x)."""
    mixer = make_layer("m2[head_dim=16,expand=1]", 48).mixer
    sizes = mixer.sizes
    projected = torch.randn(1, sizes.projected, generator=torch.Generator().manual_seed(0))
    state = torch.zeros(1, sizes.heads, sizes.head_dim, sizes.state)
    with torch.inference_mode():
        mixer.dt_bias.copy_(torch.tensor([-25.0, -15.0, -8.0]))
        interpreted.mamba2_update(mixer, projected, state)
    parts = (sizes.inner, sizes.inner, sizes.state, sizes.state, sizes.heads)
    _, x, b, _, dt = projected.double().split_with_sizes(parts, -1)
    step = torch.log1p(torch.exp(dt + mixer.dt_bias.detach().double()))
    expected = step.view(3, 1, 1) * x.view(3, 16, 1) * b.view(1, 1, -1)
    for head in range(3):
        assert worst_error((state[0, head], ()), (expected[head], ())) <= FLOAT32
