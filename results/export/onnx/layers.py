"""Each kind of layer traced once, whatever network it stands in: as a function of its weights."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from nas_search.errors import RunError
from nas_search.results.export.onnx.mixers import read_sequence, read_token
from nas_search.results.export.onnx.states import state_parts
from nas_search.results.export.onnx.tracing import trace
from nas_search.space.layer import PlainLayer
from nas_search.space.operators.base import OperatorSpec
from nas_search.space.operators.rms_norm import RMSNorm

if TYPE_CHECKING:
    import onnx

Phase = Literal["prefill", "step"]

# Sizes of the example: different, and none of them one, which the tracer would take for fixed.
_BATCH, _TOKENS = 2, 5


@cache
def layer_function(operator: OperatorSpec, width: int, phase: Phase) -> onnx.FunctionProto:
    """A layer with its norm and residual, as a function of its inputs and its weights.

    In prefill its input is x [B, T, C], in a step x [B, C], the position [1] and the parts of its state; outputs are x
    and the parts of its state after it. Raises RunError if torch cannot trace the operator.
    """
    name = f"{re.sub(r'[^0-9A-Za-z]+', '_', operator.notation).strip('_')}_{phase}"
    try:
        return _trace_layer(name, operator, width, phase)
    except Exception as error:  # the exporter raises whatever its parts do
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise RunError(f"format 'onnx': operator '{operator.notation}' cannot be traced: {reason}") from error


@cache
def norm_function(width: int) -> onnx.FunctionProto:
    """The norm before the head, a function of x [B, C] and its gain."""
    norm, x = RMSNorm(width), torch.randn(_BATCH, width)
    with torch.no_grad():
        norm(x)
    return trace("norm", norm, [(x, (0,))])


@torch.no_grad()
def _trace_layer(name: str, operator: OperatorSpec, width: int, phase: Phase) -> onnx.FunctionProto:
    with torch.random.fork_rng(devices=[]):
        layer = PlainLayer(operator, width).eval()
        x = torch.randn(_BATCH, _TOKENS, width)
    sequence, token = _Sequence(layer), _Token(layer)
    _, *state = sequence(x)
    if phase == "prefill":
        return trace(name, sequence, [(x, (0, 1))])
    position = torch.tensor([_TOKENS])
    token(x[:, -1], position, *state)
    varying = [
        [place for place, size in enumerate(part.shape) if isinstance(size, str)] for part in state_parts(layer.mixer)
    ]
    return trace(name, token, [(x[:, -1], (0,)), (position, ()), *zip(state, varying, strict=True)])


class _Sequence(nn.Module):
    def __init__(self, layer: PlainLayer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        mixed, state = read_sequence(self.layer.mixer, self.layer.norm(x))
        return x + mixed, *state


class _Token(nn.Module):
    def __init__(self, layer: PlainLayer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, position: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        mixed, after = read_token(self.layer.mixer, self.layer.norm(x), state, position)
        return x + mixed, *after
