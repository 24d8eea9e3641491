"""Our layers against layers written by hand around the same kernels.

Stacks of layers whose weights do not fit the second-level cache together. In training every layer reads the same batch
and goes forward and backward by itself; in decoding all of them read the same token in one captured graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from comparison import OURS, Comparison, Contestant, Rounds, Row, Run, check_agreement
from direct_layers.layer import STAND_INS, Calls, DirectLayer
from direct_layers.table import DIRECT_LAYERS
from gpu_bench import Bench, Clocks
from torch import Tensor

from nas_search.space.kernels.registry import ACCELERATED, Phase, format_name
from nas_search.space.kernels.report import kernel_uses
from nas_search.space.notation import parse_operator
from nas_search.space.operators.base import OperatorSpec
from nas_search.space.operators.module import Cursor, Mixer, State, StateFormat

DIRECT, WITH_OPTIONS = "direct", "direct, kernel options"
# Some fresh weights are zero: they would hide errors, and zeros take less power.
NOISE = 0.01


@dataclass(frozen=True)
class Case:
    """A layer trained on ``batch`` x ``tokens``, or decoding one token of each sequence after so many."""

    operator: str
    width: int
    phase: Phase
    batch: int
    tokens: int

    def __str__(self) -> str:
        return f"{self.operator}, width {self.width}, {self.phase}"


@dataclass(frozen=True)
class WrappingRow:
    """Figures of a case, ours first, or a note why there are none; times are of one layer.

    ``kernels`` are those that the registry chose for ours, ``missing`` the operations for which it found nothing faster
    than PyTorch here.
    """

    case: Case
    kernels: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    note: str = ""
    failed: bool = False
    layers: int = 0
    figures: tuple[Row, ...] = ()
    clocks: tuple[Clocks | None, ...] = ()


def measure_wrapping(bench: Bench, case: Case, rounds: Rounds) -> WrappingRow:
    """Check that all contestants agree, then time them."""
    spec = parse_operator(case.operator)
    uses = [use for use in kernel_uses(spec, ACCELERATED, format_name(bench.dtype)) if use.phase == case.phase]
    lacking = {use.operation: use.why for use in uses if use.operation is not None and use.falls_back}
    row = WrappingRow(case, tuple(use.kernel for use in uses), tuple(lacking))
    reasons = [why for operation, why in lacking.items() if operation not in STAND_INS]
    if reasons:
        return replace(row, note="; ".join(reasons))
    stack = build_stack(bench, spec, case.width)
    compared = training_of_stack if case.phase == "training" else decoding_of_stack
    comparison = compared(bench, case, stack, frozenset(lacking))
    check_agreement(comparison, bench.agreement)
    figures = bench.measure(comparison, rounds)
    return replace(row, layers=len(stack), figures=tuple(figures.rows), clocks=figures.clocks)


def build_stack(bench: Bench, spec: OperatorSpec, width: int) -> list[Mixer]:
    """Layers of random weights, as many as the second-level cache does not hold, and at least two."""
    layer_bytes = spec.parameters(width) * bench.dtype.itemsize
    count = max(2, bench.cache_bytes // layer_bytes + 1)
    with torch.device(bench.device):
        stack = [spec.build(width) for _ in range(count)]
    with torch.no_grad():
        for layer in stack:
            for weight in layer.parameters():
                weight.add_(NOISE * torch.randn_like(weight))
    return [layer.to(bench.dtype) for layer in stack]


def direct_stacks(stack: Sequence[Mixer], missing: frozenset[str]) -> dict[str, list[DirectLayer]]:
    """Layers by hand with the weights of ours; a second stack where kernels have options for what is around them."""
    kind = DIRECT_LAYERS[type(stack[0])]
    ways = {DIRECT: Calls(missing=missing)}
    if kind.has_options:
        ways[WITH_OPTIONS] = Calls(options=True, missing=missing)
    return {name: [kind(ours, calls) for ours in stack] for name, calls in ways.items()}


def training_of_stack(bench: Bench, case: Case, stack: Sequence[Mixer], missing: frozenset[str]) -> Comparison:
    """Forward and backward of each layer, gradients of the batch and of all weights."""
    x, gradient = (bench.normal(case.batch, case.tokens, case.width) for _ in range(2))
    stacks: dict[str, Sequence[Mixer | DirectLayer]] = {OURS: stack, **direct_stacks(stack, missing)}
    contestants = {name: both_ways(layers, x.requires_grad_(), gradient) for name, layers in stacks.items()}
    return Comparison(case.operator, case.phase, str(case), contestants, tokens=len(stack))


def both_ways(layers: Sequence[Mixer | DirectLayer], x: Tensor, gradient: Tensor) -> Contestant:
    """The last layer's output, and what it passes back."""
    weights = [tuple(layer.parameters()) for layer in layers]

    def run() -> tuple[Tensor, ...]:
        for layer, own in zip(layers, weights, strict=True):
            y = layer(x)
            gradients = torch.autograd.grad(y, (x, *own), gradient)
        return y.detach(), gradients[0]

    return lambda: run


def decoding_of_stack(bench: Bench, case: Case, stack: Sequence[Mixer], missing: frozenset[str]) -> Comparison:
    """One token of each layer from equal random states, replayed from a graph."""
    x = bench.normal(case.batch, case.width)
    cursor = Cursor(torch.tensor([case.tokens], device=bench.device), case.tokens + 1)
    states = [layer.new_state(case.batch, cursor.length, StateFormat.like(x)) for layer in stack]
    for part in (part for state in states for part in state):
        part.normal_()

    def our_step(live: Sequence[State]) -> Tensor:
        return step_all(stack, x, live, cursor)

    def their_step(layers: Sequence[DirectLayer], live: Sequence[State]) -> Tensor:
        return step_all(layers, x, live, layers[0].shared(cursor, live[0]))

    contestants = {OURS: captured(bench, our_step, states)}
    for name, layers in direct_stacks(stack, missing).items():
        own = [layer.state(state) for layer, state in zip(layers, states, strict=True)]
        contestants[name] = captured(bench, partial(their_step, layers), own)
    return Comparison(case.operator, case.phase, str(case), contestants, tokens=len(stack))


def step_all(layers: Sequence[Mixer | DirectLayer], x: Tensor, states: Sequence[State], at: object) -> Tensor:
    """What the last layer makes of the token; ``at`` is the cursor, or what layers by hand have in its place."""
    for layer, state in zip(layers, states, strict=True):
        y = layer.step(x, state, at)  # type: ignore[arg-type]
    return y


def captured(bench: Bench, step: Callable[[Sequence[State]], Tensor], start: Sequence[State]) -> Contestant:
    """Replays of one graph, each from the states that it was given at the start."""
    live = [tuple(part.clone() for part in state) for state in start]
    step_once = torch.inference_mode()(partial(step, live))
    replay = bench.new_capture()(step_once, step_once)

    def make_ready() -> Run:
        for state, first in zip(live, start, strict=True):
            for part, values in zip(state, first, strict=True):
                part.copy_(values)
        return lambda: (replay(),)

    return make_ready
