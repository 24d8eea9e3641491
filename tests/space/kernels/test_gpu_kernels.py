"""Every operator on a GPU against its float64 reference: with the fastest kernels, and with our PyTorch alone.

Where only some operations of an operator have a kernel, the others run in PyTorch; where none has, the test is skipped
with the reasons.
"""

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from nas_search.space.kernels import registry
from nas_search.space.kernels.registry import PORTABLE, KernelFallbackWarning, Phase
from nas_search.space.kernels.report import kernel_uses
from nas_search.space.notation import parse_operator
from nas_search.space.operators.module import Cursor, Mixer, StateFormat
from nas_search.space.operators.registry import operator_types

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    pytest.mark.parametrize("dtype", ["float32", "bfloat16"]),
    pytest.mark.parametrize("way", ["kernel", "portable"]),
    pytest.mark.parametrize("code", operator_types()),
]
CUDA = torch.device("cuda")
WIDTH, BATCH, TOKENS, PROMPT = 256, 2, 100, 70


class Bounds(NamedTuple):
    """Largest norms of errors, as shares of the norms of outputs and of gradients."""

    forward: float
    gradients: float


# In float32 some kernels use TF32, which keeps 10 bits; PyTorch does not unless told to. In bfloat16 inputs and weights
# are equal to the reference's, and what errs is everything between them.
BOUNDS = {
    ("kernel", "float32"): Bounds(2e-3, 2e-3),
    ("portable", "float32"): Bounds(1e-5, 1e-5),
    ("kernel", "bfloat16"): Bounds(2e-2, 4e-2),
    ("portable", "bfloat16"): Bounds(2e-2, 4e-2),
}


@pytest.fixture(autouse=True)
def chosen_way(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "portable":
        monkeypatch.setattr(registry, "_choose", lambda *arguments, gradient: (None, {}))


def without_kernel(way: str, code: str, dtype: str, *phases: Phase) -> set[str]:
    """The operations that are known to run in PyTorch. Skips the test if kernels are wanted and there is none."""
    uses = [use for use in kernel_uses(parse_operator(code), CUDA.type, dtype) if use.phase in phases]
    if way == "kernel" and all(use.kernel == PORTABLE for use in uses):
        pytest.skip("; ".join(f"{use.operation}: {use.why}" for use in uses if use.why) or f"{code} has no kernels")
    return {use.operation for use in uses if use.falls_back and use.operation is not None}


@contextmanager
def only_these_fall_back(operations: set[str]) -> Iterator[None]:
    registry._warn.cache_clear()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        yield
    lines = [str(warning.message) for warning in told if warning.category is KernelFallbackWarning]
    assert {line.partition(" on a GPU")[0] for line in lines} <= operations


def make(code: str, dtype: str) -> tuple[Mixer, Mixer, Tensor, Tensor]:
    """The module on the GPU, the same in float64, and inputs [B, T, C] for both."""
    torch.manual_seed(0)
    module = parse_operator(code).build(WIDTH).to(getattr(torch, dtype))
    x = torch.randn(BATCH, TOKENS, WIDTH).to(getattr(torch, dtype))
    return copy.deepcopy(module).to(CUDA), module.double(), x.to(CUDA), x.double()


def error(actual: Tensor, expected: Tensor) -> float:
    return ((actual.detach().cpu().double() - expected).norm() / expected.norm()).item()


def joined(parts: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([part.flatten() for part in parts])


def run_steps(module: Mixer, x: Tensor, prompt: int) -> Tensor:
    """Outputs [B, T, C]: of the prompt at once, then token by token."""
    state = module.new_state(len(x), x.shape[1], StateFormat.like(x))
    with torch.inference_mode():
        outputs = [module(x[:, :prompt], state)] if prompt else []
        for t in range(prompt, x.shape[1]):
            outputs.append(module.step(x[:, t], state, Cursor(torch.tensor([t], device=CUDA), t + 1)).unsqueeze(1))
    return torch.cat(outputs, 1)


def test_forward_and_gradients(code: str, way: str, dtype: str) -> None:
    fallbacks = without_kernel(way, code, dtype, "training")
    module, exact, x, exact_x = make(code, dtype)
    x.requires_grad_()
    exact_x.requires_grad_()
    with only_these_fall_back(fallbacks):
        actual = module(x)
    expected = parse_operator(code).reference()(exact, exact_x)
    assert error(actual, expected.detach()) <= BOUNDS[way, dtype].forward
    gradient = torch.randn_like(actual)
    by_input, *by_weight = torch.autograd.grad(actual, [x, *module.parameters()], gradient)
    exact_gradient = gradient.cpu().double()
    exact_by_input, *exact_by_weight = torch.autograd.grad(expected, [exact_x, *exact.parameters()], exact_gradient)
    assert error(by_input, exact_by_input) <= BOUNDS[way, dtype].gradients
    assert error(joined(tuple(by_weight)), joined(tuple(exact_by_weight))) <= BOUNDS[way, dtype].gradients


@pytest.mark.parametrize("prompt", [0, PROMPT])
def test_steps(code: str, way: str, dtype: str, prompt: int) -> None:
    phases: tuple[Phase, ...] = ("prefill", "decode") if prompt else ("decode",)
    fallbacks = without_kernel(way, code, dtype, *phases)
    module, exact, x, exact_x = make(code, dtype)
    with only_these_fall_back(fallbacks):
        actual = run_steps(module, x, prompt)
    with torch.no_grad():
        expected = parse_operator(code).reference()(exact, exact_x)
    assert error(actual, expected) <= BOUNDS[way, dtype].forward
    assert error(actual[:, prompt:], expected[:, prompt:]) <= BOUNDS[way, dtype].forward
