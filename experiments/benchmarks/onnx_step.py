"""Speed of exported ONNX graphs in onnxruntime against our own network on a CPU: one decode step, and prefill.

    python experiments/benchmarks/onnx_step.py [--quick | --check] [NETWORK ...]

One thread, float32, one sequence, equal weights; logits are checked to agree before anything is timed. A step stands
after a context of random numbers, prefill reads a prompt of random tokens. :mod:`comparison` says how times are taken.
Graphs are those of ``nas-search export --format onnx``, run as its README shows, so a step copies its states. It needs
``pip install 'nas-search[export]'``. The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch
from comparison import OURS, Comparison, Contestant, Rounds, Row, Run, check_agreement, compare, comparison_table
from onnxruntime import InferenceSession, SessionOptions
from rich.console import Console
from rich.progress import track

from nas_search.profiler.device import resolve_device
from nas_search.results.export.export import export
from nas_search.space.model import HybridLM
from nas_search.space.operators.registry import operator_types

ONNXRUNTIME = "onnxruntime"
HYBRID = "w256 (d f m2 f a f m2 f)x2"


class Plan(NamedTuple):
    """Networks, tokens before the step, and tokens of the prompt."""

    networks: tuple[str, ...]
    context: int
    prompt: int


def full_plan() -> Plan:
    """A hybrid, and networks of one mixer with FFNs."""
    mixers = [code for code, spec in operator_types().items() if spec.mixes_tokens]
    return Plan((HYBRID, *(f"w256 ({code} f)x4" for code in mixers)), context=256, prompt=256)


QUICK = Plan((HYBRID,), context=256, prompt=64)
CHECK = Plan(("w64 d f a f",), context=8, prompt=8)
FULL_ROUNDS, QUICK_ROUNDS = Rounds(least=9, most=101, seconds=5), Rounds(least=5, most=21, seconds=1)


def comparisons(notation: str, folder: Path, plan: Plan) -> Iterator[Comparison]:
    """A step and a prefill of one network, exported into a folder."""
    model = export(notation, folder, "onnx").source.model
    if model is None:
        raise RuntimeError(f"{notation}: exported without weights")
    step = {OURS: our_step(model, plan.context), ONNXRUNTIME: their_step(model, folder, plan.context)}
    yield Comparison("onnx", "decode", notation, step)
    tokens = torch.randint(model.architecture.vocabulary, (1, plan.prompt), generator=torch.Generator().manual_seed(0))
    prefill = {OURS: our_prefill(model, tokens), ONNXRUNTIME: their_prefill(folder, tokens)}
    yield Comparison("onnx", "prefill", notation, prefill)


def our_step(model: HybridLM, context: int) -> Contestant:
    """Steps at one position of the same text."""
    state = random_state(model, context)
    position, token = state.length, torch.zeros(1, dtype=torch.int64)

    def make_ready() -> Run:
        state.length = position
        state.index.fill_(position)
        return torch.inference_mode()(lambda: (model.step(token, state),))

    return make_ready


def their_step(model: HybridLM, folder: Path, context: int) -> Contestant:
    """The same; the cache of full attention holds the valid slots and no others."""
    state, graph = random_state(model, context), session(folder / "step.onnx")
    slots = {port.name: port.shape for port in graph.get_inputs()}
    names = list(slots)[2:]
    inputs = {"tokens": np.zeros(1, np.int64), "position": np.array([context])}
    for name, part in zip(names, (part for layer in state.layers for part in layer), strict=True):
        grows = name.endswith("cache") and isinstance(slots[name][3], str)
        inputs[name] = part[:, :, :, : state.length].numpy() if grows else in_slots(part, slots[name])
    return lambda: lambda: (torch.from_numpy(graph.run(None, inputs)[0]),)


def in_slots(part: torch.Tensor, shape: list[Any]) -> Any:
    """A state with as many slots as the graph has, whose window may be longer than the text."""
    missing = shape[3] - part.shape[3] if len(shape) == 5 else 0
    return torch.nn.functional.pad(part, (0, 0, 0, missing)).numpy() if missing else part.numpy()


def our_prefill(model: HybridLM, tokens: torch.Tensor) -> Contestant:
    """A prompt into a fresh state."""

    def make_ready() -> Run:
        state = model.new_state(*tokens.shape)
        return torch.inference_mode()(lambda: (model.prefill(tokens, state),))

    return make_ready


def their_prefill(folder: Path, tokens: torch.Tensor) -> Contestant:
    """A prompt."""
    graph, inputs = session(folder / "prefill.onnx"), {"tokens": tokens.numpy()}
    return lambda: lambda: (torch.from_numpy(graph.run(None, inputs)[0]),)


def random_state(model: HybridLM, context: int) -> Any:
    """As after ``context`` tokens, always with the same numbers, and with room for one more."""
    state = model.new_state(1, context + 1)
    state.fill_random(context + model.architecture.meta_tokens, torch.Generator().manual_seed(0))
    return state


def session(path: Path) -> InferenceSession:
    """On one thread."""
    options = SessionOptions()
    options.intra_op_num_threads = 1
    return InferenceSession(path, options)


def report(plan: Plan, rounds: Rounds) -> None:
    """Time everything and print it."""
    rows: list[Row] = []
    for notation in track(plan.networks, "networks", console=Console(stderr=True), transient=True):
        with TemporaryDirectory() as folder:
            for comparison in comparisons(notation, Path(folder) / "onnx", plan):
                rows += compare(comparison, rounds)
    console = Console(width=120)
    for regime, title in (
        ("decode", f"one step after {plan.context} tokens, one thread, CPU time"),
        ("prefill", f"prefill of {plan.prompt} tokens, one thread, CPU time"),
    ):
        console.print(comparison_table([row for row in rows if row.regime == regime], title))
    versions = {name: version(name) for name in ("torch", "onnxruntime")}
    versions["machine"] = resolve_device("cpu").description
    print(json.dumps({"rows": [asdict(row) for row in rows], "versions": versions}))


def check(plan: Plan) -> None:
    """Raise RuntimeError unless both agree."""
    for notation in plan.networks:
        with TemporaryDirectory() as folder:
            for comparison in comparisons(notation, Path(folder) / "onnx", plan):
                check_agreement(comparison)
                print(f"{comparison.regime} of {notation}: onnxruntime agrees")


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of exported ONNX graphs on a CPU against our own network.")
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="notations, in place of those of the plan")
    scope = parser.add_mutually_exclusive_group()
    scope.add_argument("--quick", action="store_true", help="fewer rounds, one hybrid and a shorter prompt")
    scope.add_argument("--check", action="store_true", help="only see whether logits agree, on a small network")
    options = parser.parse_args()
    torch.set_num_threads(1)
    plan = CHECK if options.check else QUICK if options.quick else full_plan()
    if options.networks:
        plan = plan._replace(networks=tuple(options.networks))
    if options.check:
        check(plan)
    else:
        report(plan, QUICK_ROUNDS if options.quick else FULL_ROUNDS)


if __name__ == "__main__":
    main()
