"""Decode steps of whole networks against what the memory allows: what a step must read, at the speed of a copy.

One sequence, through captured graphs, on a state of random numbers. The copy takes turns with the steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast
from unittest.mock import patch

import torch
from comparison import Comparison, Contestant, Rounds, Row, Run
from gpu_bench import Bench, Clocks

import nas_search.space.model
from nas_search.space.architecture import Architecture, DType
from nas_search.space.decode_graph import DecodeGraph
from nas_search.space.kernels.fused.choice import STEP_CHOICES, StepChoices
from nas_search.space.kernels.fused.graph_timer import time_in_graphs
from nas_search.space.kernels.registry import format_name
from nas_search.space.model import HybridLM
from nas_search.space.operators.registry import operator_types
from nas_search.space.zoo import load_zoo

HYBRID, LLAMA = "nemotron-flash-1b", "llama-3.2-1b"
COPY, FUSED, PLAIN = "copy", "fused steps where faster", "plain steps"


@dataclass(frozen=True)
class Ceiling:
    """One way to step: its time, and its share of the bandwidth of a copy, with the 95 % interval.

    ``of_published`` is the share of the published bandwidth, where it is known.
    """

    steps: str
    n: int
    median_ms: float
    quartiles_ms: tuple[float, float]
    of_copy: float
    of_copy_low: float
    of_copy_high: float
    of_published: float | None


@dataclass(frozen=True)
class DecodingRow:
    """Figures of a network at one context, or a note why there are none; bandwidth in bytes per second."""

    network: str
    notation: str
    parameters: int
    context: int
    step_bytes: int
    copy_bandwidth: float | None = None
    note: str = ""
    failed: bool = False
    figures: tuple[Ceiling, ...] = ()
    clocks: tuple[Clocks | None, ...] = ()


def networks(quick: bool) -> Iterator[tuple[str, Architecture]]:
    """By name: a published hybrid, a Llama and, unless it must be quick, networks of one mixer with FFNs."""
    hybrid = load_zoo(HYBRID)
    yield HYBRID, hybrid
    yield LLAMA, load_zoo(LLAMA)
    if not quick:
        for code, spec in operator_types().items():
            if spec.mixes_tokens:
                yield f"{code} f", pure_network(code, hybrid)


def pure_network(code: str, like: Architecture) -> Architecture:
    """A mixer and an FFN in turns, with the width and vocabulary of ``like`` and about as many parameters."""
    header = f"w{like.width} vocab={like.vocabulary}"
    one, two = (Architecture.parse(f"{header} ({code} f)x{repeats}") for repeats in (1, 2))
    repeats = 1 + round((like.parameters - one.parameters) / (two.parameters - one.parameters))
    return Architecture.parse(f"{header} ({code} f)x{max(1, repeats)}")


def step_bytes(architecture: Architecture, context: int, dtype: torch.dtype) -> int:
    """Bytes that a step of one sequence must read: weights, and the state after ``context`` tokens and meta tokens.

    Meta tokens are part of the state by then, and of an embedding that is not the head one row is read.
    """
    name = cast(DType, format_name(dtype))
    unread_rows = architecture.meta_tokens + (0 if architecture.tied_head else architecture.vocabulary - 1)
    unread = unread_rows * architecture.width * dtype.itemsize
    return architecture.weight_bytes(name) - unread + architecture.state_bytes(context, name)


def measure_decoding(
    bench: Bench, network: str, architecture: Architecture, context: int, rounds: Rounds
) -> DecodingRow:
    """Both ways to step after ``context`` tokens, and the copy."""
    with torch.device(bench.device):
        model = HybridLM(architecture).to(bench.dtype)
    row = blank_row(bench, network, architecture, context)
    contestants = {
        COPY: copying(bench),
        FUSED: stepping(bench, model, context, STEP_CHOICES),
        PLAIN: stepping(bench, model, context, StepChoices(time_in_graphs, dict)),
    }
    (copy, *steps), clocks = bench.measure(Comparison(network, "decode", architecture.notation, contestants), rounds)
    return replace(
        row,
        copy_bandwidth=2 * bench.copied_bytes / copy.median_ms * 1e3,
        figures=tuple(ceiling(bench, row.step_bytes, step) for step in steps),
        clocks=clocks,
    )


def blank_row(bench: Bench, network: str, architecture: Architecture, context: int) -> DecodingRow:
    """The row without figures."""
    read = step_bytes(architecture, context, bench.dtype)
    return DecodingRow(network, architecture.notation, architecture.parameters, context, read)


def ceiling(bench: Bench, read: int, step: Row) -> Ceiling:
    """Shares of the bandwidths from a step's time and its ratio to that of the copy, which reads and writes."""
    share = read / (2 * bench.copied_bytes)
    return Ceiling(
        steps=step.contestant,
        n=step.n,
        median_ms=step.median_ms,
        quartiles_ms=step.quartiles_ms,
        of_copy=share / step.ratio,
        of_copy_low=share / step.ratio_high,
        of_copy_high=share / step.ratio_low,
        of_published=None if bench.published is None else read / step.median_ms * 1e3 / bench.published,
    )


def copying(bench: Bench) -> Contestant:
    """A large copy on the device."""
    source = torch.randint(256, (bench.copied_bytes,), dtype=torch.uint8, device=bench.device)
    target = torch.empty_like(source)
    return lambda: lambda: (target.copy_(source),)


def stepping(bench: Bench, model: HybridLM, context: int, choices: StepChoices) -> Contestant:
    """Steps at one position, which read what was valid before it and no more; captured under ``choices``."""
    state = model.new_state(1, context + 1)
    for part in (part for layer in state.layers for part in layer):
        part.normal_()
    graph = DecodeGraph(model, state, capture=bench.new_capture())
    token = torch.randint(model.architecture.vocabulary, (1,), device=bench.device)
    position = context + model.architecture.meta_tokens

    def make_ready() -> Run:
        state.length = position
        state.index.fill_(position)
        return lambda: (graph.step(token),)

    with patch.object(nas_search.space.model, "STEP_CHOICES", choices):
        make_ready()()
    return make_ready
