"""Layers and tokens on which fused and plain steps are compared."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nas_search.space.model import Layer
from nas_search.space.notation import parse_operator
from nas_search.space.operators.module import Cursor, State, StateFormat

# Tokens that a cache holds before the first step.
CONTEXT = 5
# With windows that have wrapped around by then, and that have not.
ATTENTION = (
    ("a", 64),
    ("a[heads=4,kv=2,head_dim=16,qk_norm=yes,qkv_bias=yes]", 48),
    ("swa[window=3,qkv_bias=yes]", 96),
    ("swa[window=64,head_dim=16,qk_norm=yes]", 80),
)
# Widths, heads, states and groups that are multiples of the blocks of kernels, and that are not.
CASES = (
    *ATTENTION,
    ("m2", 64),
    ("m2[groups=2,head_dim=16,state=24]", 48),
    ("m2[expand=1,conv=1,head_dim=48]", 96),
    ("m2[conv=2,groups=3,head_dim=16]", 48),
    ("d", 96),
    ("d[head_dim=16,conv=2]", 48),
    ("d[head_dim=24,conv=1]", 48),
    ("gd", 64),
    ("gd[head_dim=16,expand_v=2,conv=2]", 48),
    ("gd[head_dim=12,expand_v=3]", 36),
    ("f", 64),
    ("f[hidden=100]", 50),
)

FENCE = 256


def make_layer(notation: str, width: int, scale: float = 1.0) -> Layer:
    """A float32 layer in which every parameter matters: none is left at a value that hides it."""
    torch.manual_seed(0)
    layer = Layer(parse_operator(notation), width)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.mul_(scale if weight.dim() > 1 else 1).add_(0.1 * torch.randn_like(weight))
    return layer


def make_tokens(count: int, batch: int, width: int) -> Tensor:
    """Inputs [count, B, C]."""
    return torch.randn(count, batch, width, generator=torch.Generator().manual_seed(batch))


def cursor_at(position: int, device: torch.device, bound: int | None = None) -> Cursor:
    """The cursor of one position; with a bound that of a captured graph, which reads so many slots under a mask."""
    index = torch.tensor([position], device=device)
    if bound is None:
        return Cursor(index, position + 1)
    return Cursor(index, bound, torch.arange(bound, device=device) <= index)


@torch.inference_mode()
def decode(
    layer: Layer,
    tokens: Tensor,
    steps: Any = None,
    *,
    fill: float = 1.0,
    bounded: bool = False,
    memory: torch.dtype | None = None,
) -> tuple[Tensor, State]:
    """Outputs [count, B, C] and the state after them, by the fused steps by mixer, or by the plain step.

    The state before them is random of scale ``fill``, as if CONTEXT tokens had been read. With ``bounded`` all steps
    read as many slots of a cache, under a mask. ``memory`` is the format of recurrent memories, if not the default.
    """
    device, positions = tokens.device, CONTEXT + len(tokens)
    tokens = tokens.to(layer.norm.weight.dtype)
    state = layer.mixer.new_state(tokens.shape[1], positions, StateFormat.like(tokens, memory))
    generator = torch.Generator().manual_seed(0)
    for part in state:
        part.copy_(fill * torch.randn(part.shape, generator=generator).bfloat16())
    outputs = []
    for position, x in enumerate(tokens, CONTEXT):
        cursor = cursor_at(position, device, positions if bounded else None)
        if steps is None:
            outputs.append(layer.plain_step(x, state, cursor))
        else:
            outputs.append(steps[type(layer.mixer)](layer.norm, layer.mixer, x, state, cursor))
    return torch.stack(outputs), state


def reference(layer: Layer, tokens: Tensor) -> tuple[Tensor, State]:
    """What :func:`decode` of the same weights and inputs gives in float64 on the CPU, by the plain step."""
    inputs = tokens.to(layer.norm.weight.dtype)
    return decode(copy.deepcopy(layer).cpu().double(), inputs.cpu().double())


def worst_error(actual: tuple[Tensor, State], expected: tuple[Tensor, State]) -> float:
    """The largest relative deviation by norm among the outputs and the parts of the state."""
    pairs = zip((actual[0], *actual[1]), (expected[0], *expected[1]), strict=True)
    return max((_error(a, b) for a, b in pairs if b.numel()), default=0.0)


def _error(actual: Tensor, expected: Tensor) -> float:
    expected = expected.double().cpu()
    return ((actual.double().cpu() - expected).norm() / expected.norm()).item()


def names(cases: Sequence[tuple[str, int]]) -> list[str]:
    """Names of parametrised tests."""
    return [f"{notation} w{width}" for notation, width in cases]


def fenced(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """A copy of the tensor between numbers that are not, and the memory that holds all of it."""
    memory = torch.full((tensor.numel() + 2 * FENCE,), torch.nan, dtype=tensor.dtype)
    inside = memory[FENCE : FENCE + tensor.numel()].view(tensor.shape)
    return inside.copy_(tensor), memory


def intact(memory: Tensor) -> bool:
    """Whether nothing was written outside of the tensor."""
    return bool(memory[:FENCE].isnan().all() and memory[-FENCE:].isnan().all())
