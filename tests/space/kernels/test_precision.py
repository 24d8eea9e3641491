"""Half precision, and formats side by side, computed in the widest of them, float32 at least."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from nas_search.space.kernels.precision import HALF, alike, in_float32, number_format

HALVES = sorted(HALF, key=str)


class Pair(NamedTuple):
    x: Tensor
    factor: Tensor | None


def scale(pair: Pair, flag: bool) -> tuple[Tensor, Tensor, None]:
    assert isinstance(pair, Pair)
    assert flag
    assert pair.factor is not None
    return pair.x * pair.factor, pair.x.sum(), None


@pytest.mark.parametrize("dtype", HALVES)
def test_the_first_output_comes_back_narrow_and_the_others_wide(dtype: torch.dtype) -> None:
    y, total, nothing = in_float32(scale)(Pair(torch.full((300,), 1.0, dtype=dtype), torch.tensor(3.0)), True)
    assert y.dtype == dtype
    assert total.dtype == torch.float32
    # 300 ones cannot be counted in bfloat16.
    assert total == 300
    assert nothing is None


def test_wide_inputs_are_left_alone() -> None:
    given = Pair(torch.ones(2, dtype=torch.float64), torch.tensor(3.0, dtype=torch.float64))
    assert in_float32(scale)(given, True)[0].dtype == torch.float64


FORMATS = (*HALVES, torch.float32, torch.float64)


@pytest.mark.parametrize("given", FORMATS)
@pytest.mark.parametrize("state_format", FORMATS)
def test_what_is_changed_in_place_is_changed_in_its_own_format(state_format: torch.dtype, given: torch.dtype) -> None:
    computed = torch.float64 if torch.float64 in {state_format, given} else torch.float32

    def add(state: Tensor, x: Tensor, kept: Tensor) -> Tensor:
        assert state.dtype == x.dtype == computed
        assert kept.dtype == torch.int64
        return state.add_(x) * 2

    state = torch.ones(2, dtype=state_format)
    y = in_float32(add, in_place=True)(state, torch.ones(2, dtype=given), torch.ones(1, dtype=torch.int64))
    assert state.tolist() == [2, 2]
    assert state.dtype == state_format
    assert y.tolist() == [4, 4]
    assert y.dtype == given


def test_gradients_come_back_in_the_format_of_the_inputs() -> None:
    x = torch.ones(3, dtype=torch.bfloat16, requires_grad=True)
    in_float32(lambda x: x * x)(x).sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == torch.bfloat16
    assert x.grad.tolist() == [2, 2, 2]


def test_autocast_does_not_narrow_the_computation() -> None:
    formats = []

    def product(x: Tensor) -> Tensor:
        formats.append((x @ x).dtype)
        return x

    with torch.autocast("cpu", torch.bfloat16):
        in_float32(product)(torch.ones(2, 2, dtype=torch.bfloat16))
    assert formats == [torch.float32]


def test_number_format_is_the_narrowest() -> None:
    single, half = torch.ones(1), torch.ones(1, dtype=torch.bfloat16)
    assert number_format(single, Pair(half, None), 3, torch.ones(1, dtype=torch.int8)) == torch.bfloat16
    assert number_format(torch.ones(1, dtype=torch.int8), "text") is None
    assert [x.dtype for x in alike(single, half)] == [torch.bfloat16] * 2
