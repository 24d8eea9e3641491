"""Number formats of an operation's inputs, which may be tensors, named tuples of tensors, or anything else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce, wraps
from typing import Any

import torch
from torch import Tensor

HALF = frozenset({torch.bfloat16, torch.float16})
FLOATS = HALF | {torch.float32}


def number_format(*values: Any) -> torch.dtype | None:
    """The narrowest floating-point format among the tensors of ``values``; None if there is none."""
    formats = (dtype for dtype in _formats(values, set()) if dtype.is_floating_point)
    return min(formats, key=lambda dtype: dtype.itemsize, default=None)


def widen(x: Tensor) -> Tensor:
    """In float32 at least."""
    return x.float() if x.dtype in HALF else x


def alike(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors in the narrowest format among them: kernels want one, and autocast leaves several."""
    narrowest = number_format(*tensors)
    return tuple(x.to(narrowest) for x in tensors)


def in_float32(function: Callable[..., Any], *, in_place: bool = False) -> Callable[..., Any]:
    """``function`` for inputs in half precision or in several formats: computed in the widest, float32 at least.

    Its first output is given back in the narrowest format of the inputs; further outputs, such as a final state, stay
    wide. With ``in_place`` the function changes its first argument, a memory that keeps a format of its own.
    """

    @wraps(function)
    def widened(*inputs: Any) -> Any:
        formats = _formats(inputs, set())
        if len(formats) < 2 and formats.isdisjoint(HALF):
            return function(*inputs)
        widest = reduce(torch.promote_types, formats, torch.float32)
        wide = _map(inputs, lambda x: x.to(widest) if x.is_floating_point() else x)
        given = number_format(*inputs[in_place:])
        # Autocast would narrow the matrix products again.
        with torch.autocast(next(_tensors(wide)).device.type, enabled=False):
            outputs = function(*wide)
        if in_place and wide[0] is not inputs[0]:
            inputs[0].copy_(wide[0])
        if isinstance(outputs, Tensor):
            return outputs.to(given)
        return outputs[0].to(given), *outputs[1:]

    return widened


def _formats(values: tuple[Any, ...], found: set[torch.dtype]) -> set[torch.dtype]:
    """Add the formats of all tensors to those found. Every operation of a decode step comes by: it must be quick."""
    for value in values:
        if isinstance(value, tuple):
            _formats(value, found)
        elif isinstance(value, Tensor):
            found.add(value.dtype)
    return found


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from _tensors(part)


def _map(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, tuple):
        make = getattr(value, "_make", tuple)
        return make(_map(part, change) for part in value)
    return value
