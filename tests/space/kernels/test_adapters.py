"""Adapters against our own functions: what they hand to a kernel, and what they make of its results.

The kernels are fakes that do what the packages document. Some of them take decays in float32 only, so results are
compared to that precision.
"""

import pytest
import torch
from adapter_cases import (
    BATCH,
    CASES,
    HEADS,
    TOKENS,
    cache_inputs,
    close,
    convolution_inputs,
    floats,
    normal,
    rates,
    state_space_tokens,
)
from kernel_fakes import FakePackages

from nas_search.space.kernels import causal_conv1d, flash_attention, mamba_ssm
from nas_search.space.operators.mamba2 import kernels as mamba2
from nas_search.space.operators.module import Cursor
from nas_search.space.operators.short_convolution import CONVOLUTION


@pytest.mark.parametrize("name", CASES)
def test_the_kernel_gives_what_our_function_gives(packages: FakePackages, name: str) -> None:
    case = CASES[name]
    torch.manual_seed(0)
    ours = case.inputs()
    torch.manual_seed(0)
    theirs = case.inputs()
    expected, actual = case.portable(*ours), case.kernel.load()(*theirs)
    assert packages.calls.keys() == {case.kernel.name}
    for a, b in zip(floats(actual if isinstance(actual, tuple) else (actual,)), floats((expected,)), strict=True):
        close(a, b)
    if case.in_place:
        close(theirs[0], ours[0])


SEQUENCES = ("attention", "window of 5", "convolution of 4", "convolution of 2", "mamba2", "mamba")
RECURRENCES = ("delta rule", "gated delta rule", "gla", "rwkv7")


@pytest.mark.parametrize("name", SEQUENCES + RECURRENCES)
def test_gradients_go_through_the_adapter(packages: FakePackages, name: str) -> None:
    case = CASES[name]
    gradients = []
    for function in (case.portable, case.kernel.load()):
        torch.manual_seed(0)
        inputs = case.inputs()
        leaves = [leaf.requires_grad_() for leaf in floats(inputs)]
        y = next(floats((function(*inputs),)))
        weight = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)
        gradients.append(torch.autograd.grad((y * weight).sum(), leaves))
    for ours, theirs in zip(*gradients, strict=True):
        close(theirs, ours)


def test_the_scan_of_mamba2_leaves_the_state_of_our_scan(packages: FakePackages) -> None:
    inputs = (state_space_tokens(BATCH, TOKENS), rates(), 5, True)
    with torch.no_grad():
        y, state = mamba_ssm.STATE_SPACE_SCAN.load()(*inputs)
        expected, expected_state = mamba2.state_space_scan(*inputs)
    assert expected_state is not None
    close(y, expected)
    close(state, expected_state)


def test_rates_of_a_head_reach_the_kernel_as_one_number(packages: FakePackages) -> None:
    """It takes a faster way if their strides are zero."""
    mamba_ssm.STATE_SPACE_STEP.load()(normal(BATCH, HEADS, 8, 5), state_space_tokens(BATCH), rates())
    (call,) = packages.calls["selective_state_update"]
    assert call["dt_bias"].stride(-1) == call["D"].stride(-1) == 0


def test_the_decode_kernel_is_told_the_valid_slots_on_the_device(packages: FakePackages) -> None:
    q, cache, _ = cache_inputs(6, 12)
    meta = Cursor(torch.tensor([6]), 12)
    flash_attention.CACHED_ATTENTION.load()(q, cache, meta)
    (call,) = packages.calls["flash_attn_with_kvcache"]
    assert call["cache_seqlens"].tolist() == [7, 7]


@pytest.mark.parametrize(
    ("shape", "first"),
    [((BATCH, TOKENS, 30), 0), ((1, 1, 30), 0), ((1, TOKENS, 30), 0), ((BATCH, TOKENS, 32), 4)],
    ids=["strides", "strides of axes of one", "one sequence", "address"],
)
def test_channels_that_are_not_aligned_are_copied(packages: FakePackages, shape: tuple[int, ...], first: int) -> None:
    """The fake asserts the kernel's alignment."""
    x = normal(*shape)[..., first : first + 16]
    assert any(step % causal_conv1d.ALIGNMENT for step in (*x.stride()[:2], x.storage_offset()))
    _, weight, bias = convolution_inputs(4, True)
    close(causal_conv1d.CONVOLUTION.load()(x, weight, bias), CONVOLUTION.portable(x, weight, bias))
