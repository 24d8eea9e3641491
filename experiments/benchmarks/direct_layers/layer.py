"""What layers share that are written by hand around the kernels of other packages, with the weights of ours.

They call the kernels as the packages document them, and the rest is PyTorch's own functions. What a network computes
once for all of its layers in a step, positions for example, is made beforehand.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas_search.space.kernels.mamba_ssm import extension_or_stub
from nas_search.space.operators.attention.kernels import CACHED_ATTENTION, CAUSAL_ATTENTION
from nas_search.space.operators.module import Cursor, Projection, State
from nas_search.space.operators.short_convolution import CONVOLUTION, CONVOLUTION_STEP, ShortConvolution
from nas_search.space.operators.sliding_window.kernels import WINDOWED_ATTENTION

# For these PyTorch has a function of its own, where the package is missing.
STAND_INS = frozenset(
    operation.name
    for operation in (CAUSAL_ATTENTION, WINDOWED_ATTENTION, CACHED_ATTENTION, CONVOLUTION, CONVOLUTION_STEP)
)


class Calls(NamedTuple):
    """How the kernels are called.

    With ``options`` they also do what stands around them in a layer, where they have an option for it: SiLU after the
    convolution, the normalisation of queries and keys, the gate of state-space layers, step sizes and D of Mamba. The
    operations in ``missing``, some of STAND_INS, are left to PyTorch's own function.
    """

    options: bool = False
    missing: frozenset[str] = frozenset()


class DirectLayer(nn.Module, ABC):
    """A layer that computes the same as one of ours: x [B, T, C] -> [B, T, C]."""

    has_options: ClassVar[bool] = False

    def __init__(self, ours: Any, calls: Calls) -> None:
        super().__init__()
        self.calls = calls

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """A whole sequence."""

    @abstractmethod
    def step(self, x: Tensor, state: State, shared: Any) -> Tensor:
        """One token [B, C], in place on the state."""

    def shared(self, cursor: Cursor, state: State) -> Any:
        """What the steps of all layers of this kind share at ``cursor``; ``state`` is that of one of them."""
        return None

    def state(self, ours: State) -> State:
        """Our state, copied into the layout of this layer."""
        return tuple(part.clone() for part in ours)


class DirectConvolution(nn.Module):
    """Short convolution, then SiLU; weights and state have channels before tokens."""

    def __init__(self, ours: ShortConvolution, calls: Calls) -> None:
        super().__init__()
        self.missing = calls.missing
        self.activation = "silu" if calls.options else None
        self.weight = nn.Parameter(ours.weight.detach().T.contiguous())
        self.bias = ours.bias

    @cached_property
    def sequence(self) -> Callable[..., Tensor]:
        """The kernel for a sequence."""
        return package_function("causal_conv1d", "causal_conv1d_fn")

    @cached_property
    def token(self) -> Callable[..., Tensor]:
        """The kernel for one token."""
        return package_function("causal_conv1d", "causal_conv1d_update")

    def forward(self, x: Tensor) -> Tensor:
        """x [B, T, channels]."""
        channels, taps = self.weight.shape
        x = x.transpose(1, 2)
        if CONVOLUTION.name in self.missing:
            kernel = self.weight.unsqueeze(1)
            y = functional.conv1d(x, kernel, self.bias, padding=taps - 1, groups=channels)[..., : x.shape[2]]
            return functional.silu(y).transpose(1, 2)
        y = self.sequence(x, self.weight, self.bias, activation=self.activation).transpose(1, 2)
        return y if self.activation else functional.silu(y)

    def step(self, x: Tensor, state: Tensor) -> Tensor:
        """x [B, channels], shifted into state [B, channels, K - 1]."""
        if CONVOLUTION_STEP.name in self.missing:
            window = torch.cat((state, x.unsqueeze(-1)), -1)
            state.copy_(window[..., 1:])
            y = (window * self.weight).sum(-1)
            return functional.silu(y if self.bias is None else y + self.bias)
        y = self.token(x, state, self.weight, self.bias, activation=self.activation)
        return y if self.activation else functional.silu(y)


class ConvolvedLayer(DirectLayer):
    """A recurrent layer with a short convolution, whose last inputs are the second part of the state."""

    has_options = True

    def __init__(self, ours: Any, calls: Calls) -> None:
        super().__init__(ours, calls)
        self.sizes = ours.sizes
        self.in_proj: Projection = ours.in_proj
        self.out_proj: Projection = ours.out_proj
        self.conv = DirectConvolution(ours.conv, calls)

    def state(self, ours: State) -> State:
        """The recurrent state as it is."""
        return ours[0].clone(), copied(ours[1].transpose(1, 2))


def copied(x: Tensor) -> Tensor:
    """A contiguous copy, also of what is contiguous."""
    return x.clone(memory_format=torch.contiguous_format)


def package_function(place: str, name: str) -> Callable[..., Any]:
    """A function of a package. mamba-ssm is imported without its extension, too."""
    with extension_or_stub():
        found: Callable[..., Any] = getattr(import_module(place), name)
    return found
