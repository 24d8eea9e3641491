"""Which step of a layer runs on a GPU, the fused or the plain one: whichever was measured to be faster.

The first step of each kind of layer outside a graph capture times both, each in a CUDA graph of its own, and remembers
the result for the rest of the process. Nothing here imports Triton before a layer runs on a GPU.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from nas_search.space.kernels.fused.graph_timer import time_in_graphs
from nas_search.space.kernels.precision import FLOATS
from nas_search.space.kernels.registry import KernelFallbackWarning, format_name
from nas_search.space.operators.module import Cursor, Mixer, State

if TYPE_CHECKING:
    from nas_search.space.kernels.fused.layers import FusedStep
    from nas_search.space.model import Layer

# Medians in milliseconds of runs that are timed in turns.
Timer = Callable[[Sequence[Callable[[], Tensor]]], list[float]]
FUSED = "fused Triton kernels"
PLAIN = "separate operations"
PACKAGE = "triton"
# Codes of the operators whose mixers have a fused step, told where Triton is not installed too.
FUSED_OPERATORS = frozenset({"a", "swa", "m2", "d", "gd", "f"})
# From here on the products are matrix products, which tensor cores do better.
LARGEST_BATCH = 32


class LayerKind(NamedTuple):
    """Layers that share a decision: notation of the operator, width, number format, sequences, formats of the state."""

    operator: str
    width: int
    dtype: str
    batch: int
    state: tuple[str, ...] = ()


class StepTimes(NamedTuple):
    """Milliseconds of one step, None where the fused kernels cannot run, and which step they decided for."""

    fused_ms: float | None
    plain_ms: float | None

    @property
    def kernel(self) -> str:
        """The name of the faster one."""
        if self.fused_ms is None or self.plain_ms is None:
            return PLAIN
        return FUSED if self.fused_ms < self.plain_ms else PLAIN


class StepChoices:
    """The decisions of a process: ``times`` has all that were made."""

    def __init__(self, timer: Timer, fused_steps: Callable[[], Mapping[type[Mixer], FusedStep]]) -> None:
        self.times: dict[LayerKind, StepTimes] = {}
        self._timer = timer
        self._fused_steps = fused_steps

    def step(self, layer: Layer, x: Tensor, state: State, cursor: Cursor) -> Tensor:
        """One token [B, C] of the layer, in place on its state."""
        fused = self._candidate(layer, x)
        if fused is None or not self._is_faster(fused, layer, x, state, cursor):
            return layer.plain_step(x, state, cursor)
        return fused(layer.norm, layer.mixer, x, state, cursor)

    def runs_fused(self, notations: Collection[str], dtype: str) -> bool:
        """Whether a layer of one of these operators was found to be faster fused, at any width and batch."""
        return any(
            kind.operator in notations and kind.dtype == dtype and times.kernel == FUSED
            for kind, times in self.times.items()
        )

    def _candidate(self, layer: Layer, x: Tensor) -> FusedStep | None:
        """The fused step, if there is one for such a call. It has no gradient, and runs on the current GPU."""
        if x.dtype not in FLOATS or len(x) > LARGEST_BATCH or torch.is_grad_enabled():
            return None
        if x.is_cuda and x.device.index != torch.cuda.current_device():
            return None
        return self._fused_steps().get(type(layer.mixer))

    def _is_faster(self, fused: FusedStep, layer: Layer, x: Tensor, state: State, cursor: Cursor) -> bool:
        batch, width = x.shape
        formats = tuple(format_name(part.dtype) for part in state)
        kind = LayerKind(layer.notation, width, format_name(x.dtype), batch, formats)
        if kind not in self.times:
            if capturing():
                return False
            scratch = tuple(part.clone() for part in state)
            runs = (
                lambda: fused(layer.norm, layer.mixer, x, scratch, cursor),
                lambda: layer.plain_step(x, scratch, cursor),
            )
            self.times[kind] = self._measure(kind, runs)
        return self.times[kind].kernel == FUSED

    def _measure(self, kind: LayerKind, runs: Sequence[Callable[[], Tensor]]) -> StepTimes:
        try:
            return StepTimes(*self._timer(runs))
        except torch.OutOfMemoryError:
            # Says nothing about the kernels.
            raise
        except Exception as error:
            # Triton needs a C compiler and a GPU that it knows; without them a layer still runs.
            reason = " ".join(str(error).split()) or type(error).__name__
            where = f"one token of {kind.operator} at width {kind.width}"
            warnings.warn(f"{where}: {PLAIN}, since {FUSED} do not run ({reason})", KernelFallbackWarning, stacklevel=2)
            return StepTimes(None, None)


def capturing() -> bool:
    """Whether a CUDA graph is being captured, during which nothing can be timed."""
    return torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()


def missing_triton() -> str | None:
    """Why there are no fused steps, or None if there are."""
    return f"{PACKAGE} is not installed" if find_spec(PACKAGE) is None else None


@cache
def fused_steps() -> Mapping[type[Mixer], FusedStep]:
    """The fused steps by their mixers; none where Triton is not installed."""
    if missing_triton():
        return {}
    from nas_search.space.kernels.fused.layers import FUSED_STEPS

    return FUSED_STEPS


STEP_CHOICES = StepChoices(time_in_graphs, fused_steps)
