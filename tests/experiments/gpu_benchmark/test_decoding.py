"""What a step reads, and what share of the memory's bandwidth that is."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from gpu_fakes import cpu_bench, load
from torch import Tensor

import nas_search.space.model
from nas_search.space.architecture import Architecture
from nas_search.space.kernels.fused.choice import StepChoices
from nas_search.space.kernels.fused.graph_timer import time_in_graphs
from nas_search.space.model import HybridLM, Layer
from nas_search.space.operators.ffn.module import FeedForwardModule
from nas_search.space.operators.registry import operator_types


@pytest.mark.parametrize(
    "text", ["w32 vocab=50 meta=3 d f a f m2 swa[window=4] r7 m", "w32 vocab=50 untied a gla f gd"]
)
def test_a_step_reads_weights_and_state(text: str) -> None:
    architecture, context = Architecture.parse(text), 9
    model = HybridLM(architecture).bfloat16()
    read = sum(weight.nbytes for name, weight in model.named_parameters() if name != "meta_tokens")
    if not architecture.tied_head:
        read -= model.embedding[1:].nbytes
    state = model.new_state(1, context)
    read += sum(part.nbytes for layer in state.layers for part in layer)
    assert load("gpu_decoding").step_bytes(architecture, context, torch.bfloat16) == read


def test_networks_are_of_one_size() -> None:
    found = dict(load("gpu_decoding").networks(quick=False))
    hybrid = found["nemotron-flash-1b"]
    mixers = [code for code, spec in operator_types().items() if spec.mixes_tokens]
    assert list(found) == ["nemotron-flash-1b", "llama-3.2-1b", *(f"{code} f" for code in mixers)]
    assert set(dict(load("gpu_decoding").networks(quick=True))) == {"nemotron-flash-1b", "llama-3.2-1b"}
    for code in mixers:
        pure = found[f"{code} f"]
        assert {spec.code for spec in pure.operators} == {code, "f"}
        assert pure.parameters == pytest.approx(hybrid.parameters, rel=0.05)


def test_a_share_of_the_bandwidth_of_a_copy() -> None:
    """The copy reads and writes 1000 bytes in 1 ms; a step reads its bytes in 2 ms."""
    decoding, comparison = load("gpu_decoding"), load("comparison")
    clock = iter([1.0, 2.0, 4.0] * 99)
    bench = cpu_bench(timer=lambda run: next(clock), published=4e6)
    network = Architecture.parse("w32 vocab=8 d f")
    row = decoding.measure_decoding(bench, "small", network, 5, comparison.Rounds(3, 3, 1))
    read = decoding.step_bytes(network, 5, torch.float32)
    assert (row.context, row.step_bytes, row.copy_bandwidth) == (5, read, 2e6)
    fused, plain = row.figures
    assert (fused.steps, plain.steps) == (decoding.FUSED, decoding.PLAIN)
    assert (fused.n, fused.median_ms) == (3, 2)
    assert fused.of_copy == fused.of_copy_low == fused.of_copy_high == pytest.approx(read / 2e-3 / 2e6)
    assert fused.of_published == pytest.approx(read / 2e-3 / 4e6)
    assert plain.of_copy == pytest.approx(fused.of_copy / 2)


def test_plain_steps_are_plain_and_others_may_be_fused(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a device where every step asks which one to run."""
    decoding, model = load("gpu_decoding"), nas_search.space.model
    ran: list[str] = []

    def fused(norm: Any, mixer: Any, x: Tensor, *others: Any) -> Tensor:
        ran.append("fused")
        return x

    def step_once(warm_up: Callable[[], Tensor], run: Callable[[], Tensor]) -> Callable[[], Tensor]:
        logits = run()
        return lambda: logits

    def asked(layer: Layer, *inputs: Any) -> Tensor:
        return model.STEP_CHOICES.step(layer, *inputs)

    choices = StepChoices(lambda runs: [1.0, 2.0], lambda: {FeedForwardModule: fused})
    monkeypatch.setattr(decoding, "STEP_CHOICES", choices)
    monkeypatch.setattr(Layer, "step", asked)
    network = HybridLM(Architecture.parse("w16 f f"))
    bench = cpu_bench(new_capture=lambda: step_once)
    decoding.stepping(bench, network, 5, choices)
    assert ran == ["fused"] * 2
    decoding.stepping(bench, network, 5, StepChoices(time_in_graphs, dict))
    assert ran == ["fused"] * 2
