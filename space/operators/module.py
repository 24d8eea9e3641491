"""The contract of an operator's module: a whole sequence at once, or one token on preallocated state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

State = tuple[Tensor, ...]

# Standard deviation of fresh projection weights, as in GPT-2 and in the configuration of Nemotron-Flash.
WEIGHT_STD = 0.02


class StateFormat(NamedTuple):
    """Where a decoding state lies, and its number formats.

    ``cache`` is that of what is kept as it came, such as keys and values or the last inputs of a convolution.
    ``memory`` is that of what every token changes a little: rounded to half precision each time, it would drift.
    """

    device: torch.device
    cache: torch.dtype
    memory: torch.dtype

    @classmethod
    def like(cls, x: Tensor, memory: torch.dtype | None = None) -> StateFormat:
        """For inputs such as ``x``: caches in its format, memories in theirs, by default in float32 at least."""
        return cls(x.device, x.dtype, memory or torch.promote_types(x.dtype, torch.float32))


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a decode step stands.

    ``index`` [1] (int64, on the device) is the position of this token. ``length`` is how many cache slots to read:
    the position + 1, or an upper bound of it where a captured CUDA graph serves a range of positions; ``mask``
    [length] (bool, true where a slot may be read) then says which are valid.
    """

    index: Tensor
    length: int
    mask: Tensor | None = None


class Mixer(nn.Module, ABC):
    """One operator without its pre-norm and residual: x [B, T, C] -> [B, T, C]."""

    @abstractmethod
    def forward(self, x: Tensor, state: State | None = None) -> Tensor:
        """A whole sequence [B, T, C] from position 0; a given state is left ready for the step at position T."""

    @abstractmethod
    def new_state(self, batch: int, max_length: int, form: StateFormat) -> State:
        """Zeroed state for sequences of at most ``max_length`` tokens, laid out batch first."""

    @abstractmethod
    def step(self, x: Tensor, state: State, cursor: Cursor) -> Tensor:
        """One token [B, C] at ``cursor``, in place on ``state``.

        For inference: call it without gradients. It never waits for the device, so a CUDA graph can capture it.
        """

    def memory_parts(self) -> tuple[bool, ...]:
        """Which parts of a state are recurrent memories, told by the format that they are made in."""
        apart = StateFormat(torch.device("meta"), cache=torch.float32, memory=torch.float64)
        return tuple(part.dtype == apart.memory for part in self.new_state(1, 1, apart))

    def residual_weights(self) -> tuple[Tensor, ...]:
        """Weights that write into the residual stream; a network scales them down by its depth."""
        return ()


class Projection(nn.Linear):
    """A linear layer that starts from a normal distribution, without bias unless asked."""

    if TYPE_CHECKING:

        def __call__(self, x: Tensor) -> Tensor:
            """As :meth:`forward`, typed."""

    def __init__(self, inputs: int, outputs: int, bias: bool = False) -> None:
        super().__init__(inputs, outputs, bias=bias)

    def reset_parameters(self) -> None:
        """Weights from N(0, 0.02^2), bias zero."""
        nn.init.normal_(self.weight, std=WEIGHT_STD)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
