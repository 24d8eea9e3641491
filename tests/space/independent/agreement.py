"""Comparing our code with code that others wrote: outputs, and gradients of the input and of every weight.

Weights are not copied but handed over: public code runs on tensors made from our parameters, so that its gradients
arrive at our parameters too.
"""

import math
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode

from nas_search.space.notation import parse_operators
from nas_search.space.operators.module import Mixer

WIDTH = 64
BATCH = 2
LENGTHS = (1, 33, 100)
# Largest norm of an error over the norm of the value. Public code casts to float32 in many places, e.g. in norms,
# rotary tables, softmax and recurrences: ``widened`` lifts these casts, or 1e-9 would be out of reach.
BOUNDS = {torch.float64: 1e-9, torch.float32: 1e-5}

# The eps of published norms, written out: around layers, on queries and keys; in recurrent operators.
NORM_EPS = 1e-6
MIXER_NORM_EPS = 1e-5

every_precision = pytest.mark.parametrize("dtype", list(BOUNDS), ids=lambda dtype: str(dtype).removeprefix("torch."))
every_length = pytest.mark.parametrize("length", LENGTHS)


class _Widened(TorchFunctionMode):
    """Whatever asks for float32 gets float64."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        func = torch.Tensor.double if func is torch.Tensor.float else func
        return func(*map(_widen, args), **{name: _widen(value) for name, value in (kwargs or {}).items()})


def _widen(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value


def widened(dtype: torch.dtype) -> AbstractContextManager[Any]:
    """Where public code computes in ``dtype`` all the way: its formulas as they are, without casts to float32."""
    return _Widened() if dtype == torch.float64 else nullcontext()


def make(notation: str, dtype: torch.dtype) -> Mixer:
    """Our operator, no weight at a value that would hide it."""
    torch.manual_seed(0)
    (spec,) = parse_operators(notation)
    spec.check(WIDTH)
    module = spec.build(WIDTH)
    disturb(module)
    return module.to(dtype)


def disturb(module: nn.Module) -> None:
    """Move every weight, gains, biases and rates included, away from where it starts."""
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(0.1 * torch.randn_like(weight))


def random(*shape: int, dtype: torch.dtype, seed: int = 0) -> Tensor:
    """A leaf from N(0, 1), the same in both precisions but for rounding."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()


def call(theirs: nn.Module, weights: dict[str, Tensor], *args: Any, **kwargs: Any) -> Any:
    """``theirs`` with exactly these weights instead of its own: none may be missing, none left over."""
    return functional_call(theirs, weights | dict(theirs.named_buffers()), args, kwargs, strict=True)


def assert_equal(actual: Tensor, expected: Tensor, name: str, least: float = 0.0) -> None:
    """Equal but for rounding; a norm below ``least`` counts as ``least``."""
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    scale = max(expected.norm().item(), least)
    error = (actual - expected).norm().item()
    assert error <= BOUNDS[actual.dtype] * scale, f"{name}: error {error:.1e} of {scale:.1e}"


def assert_agree(
    ours: Callable[[], Tensor], theirs: Callable[[], Tensor], leaves: Iterable[tuple[str, Tensor]]
) -> None:
    """Both give the same output, and from it the same gradient for every one of the named leaves."""
    names, tensors = zip(*leaves, strict=True)
    actual = ours()
    with widened(actual.dtype):
        expected = theirs()
    assert_equal(actual.detach(), expected.detach(), "output")
    gradient = random(*expected.shape, dtype=expected.dtype, seed=1).detach()
    our_grads = torch.autograd.grad(actual, tensors, gradient)
    their_grads = torch.autograd.grad(expected, tensors, gradient)
    # A gradient that is zero but for rounding has no scale of its own.
    largest = max(grad.norm().item() for grad in their_grads)
    assert math.isfinite(largest)
    assert largest > 0
    for name, our_grad, their_grad in zip(names, our_grads, their_grads, strict=True):
        assert_equal(our_grad, their_grad, f"gradient of {name}", 0.1 * largest)


def assert_operator_agrees(ours: Mixer, theirs: Callable[[Tensor], Tensor], length: int) -> None:
    """:func:`assert_agree` for an operator on a whole sequence."""
    x = random(BATCH, length, WIDTH, dtype=next(ours.parameters()).dtype, seed=length)
    assert_agree(lambda: ours(x), lambda: theirs(x), [("x", x), *ours.named_parameters()])
