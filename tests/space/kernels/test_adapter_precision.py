"""Half precision: what adapters take, and what is computed where there is no kernel."""

import pytest
import torch
from adapter_cases import CASES, CUDA, PRECISION, anew, convert, floats
from kernel_fakes import FakePackages

from nas_search.space.kernels.precision import number_format
from nas_search.space.kernels.registry import KernelFallbackWarning
from nas_search.space.operators.attention import kernels as attention
from nas_search.space.operators.delta_rule import kernels as delta
from nas_search.space.operators.gla import kernels as gla
from nas_search.space.operators.mamba import kernels as mamba
from nas_search.space.operators.mamba2 import kernels as mamba2
from nas_search.space.operators.rwkv7 import kernels as rwkv7
from nas_search.space.operators.short_convolution import CONVOLUTION, CONVOLUTION_STEP


@pytest.mark.parametrize("name", ["delta rule", "gated delta rule", "gla"])
def test_autocast_may_leave_keys_in_float32_beside_values_in_half_precision(packages: FakePackages, name: str) -> None:
    """The fakes insist on one format for all three."""
    q, k, v, *gates = convert(CASES[name].inputs(), torch.float32)
    y, state = CASES[name].kernel.load()(q, k, v.bfloat16(), *gates)
    assert y.dtype == torch.bfloat16
    assert state.dtype == torch.float32


HALF_CASES = {
    "attention": attention.CAUSAL_ATTENTION,
    "convolution of 4": CONVOLUTION,
    "mamba2": mamba2.STATE_SPACE_SCAN,
    "mamba": mamba.SELECTIVE_SCAN,
    "delta rule": delta.DELTA_RULE,
    "gated delta rule": delta.GATED_DELTA_RULE,
    "gla": gla.GATED_LINEAR_ATTENTION,
    "rwkv7": rwkv7.RWKV7,
    "delta step": delta.DELTA_STEP,
    "mamba step": mamba.SELECTIVE_STEP,
    "gla step": gla.GATED_LINEAR_ATTENTION_STEP,
    "rwkv7 step": rwkv7.RWKV7_STEP,
    "mamba2 step": mamba2.STATE_SPACE_STEP,
    "convolution step of 4": CONVOLUTION_STEP,
}


@pytest.mark.usefixtures("no_kernel_packages")
@pytest.mark.parametrize("name", HALF_CASES)
def test_half_precision_without_a_kernel_is_computed_in_float32(name: str) -> None:
    operation = HALF_CASES[name]
    torch.manual_seed(0)
    inputs = CASES[name].inputs()
    half = convert(inputs, torch.bfloat16)
    expected = operation.portable(*(exact := convert(half, torch.float64)))
    with pytest.warns(KernelFallbackWarning, match="PyTorch runs"):
        actual = anew(operation).on(CUDA)(*half)
    pairs = zip(floats((actual,)), floats((expected,)), strict=True)
    for index, (a, b) in enumerate(pairs):
        assert a.dtype == torch.bfloat16 if index == 0 else torch.float32
        # Half a unit in the last place of bfloat16, and attention, which is left to PyTorch, errs a few times.
        assert (a.double() - b).norm() <= (1e-2 if operation.half else 2**-9) * b.norm()
    if operation.in_place:
        assert (half[0].double() - exact[0]).norm() <= 2**-9 * exact[0].norm()


@pytest.mark.parametrize(
    "name", ["delta step", "gated delta step", "gla step", "rwkv7 step", "mamba step", "mamba2 step"]
)
def test_kernels_take_a_float32_memory_beside_half_precision(packages: FakePackages, name: str) -> None:
    case = CASES[name]
    torch.manual_seed(0)
    state, *token = case.inputs()
    state, token = state.float(), convert(tuple(token), torch.bfloat16)
    exact = state.double()
    expected = case.portable(exact, *convert(token, torch.float64))
    assert case.kernel.refusal(number_format(state, *token), (state, *token)) is None
    actual = case.kernel.load()(state, *token)
    assert packages.calls.keys() == {case.kernel.name}
    assert actual.dtype == torch.bfloat16
    assert (actual.double() - expected).norm() <= 2**-8 * expected.norm()
    assert state.dtype == torch.float32
    assert (state.double() - exact).norm() <= PRECISION * exact.norm()
