"""The GPU benchmark without a GPU: what is compared, counted and written, and what it does when something is missing.

The kernel packages are the fakes of the kernel tests, and the device is a CPU with a clock of its own.
"""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from io import StringIO
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor
from torch.nn import functional

import nas_search.space.model
from nas_search.space.architecture import Architecture
from nas_search.space.kernels.fused.choice import StepChoices
from nas_search.space.kernels.fused.graph_timer import time_in_graphs
from nas_search.space.model import HybridLM, Layer
from nas_search.space.notation import parse_operator
from nas_search.space.operators.ffn.module import FeedForwardModule
from nas_search.space.operators.module import Cursor, Mixer, StateFormat
from nas_search.space.operators.registry import operator_types

TESTS = Path(__file__).parents[1]
BENCHMARKS = TESTS.parent / "experiments" / "benchmarks"
WIDTH, BATCH, TOKENS, STEPS = 64, 2, 21, 3
EQUAL = 2e-5
# PyTorch normalises without the eps of the packages, which matters to small queries and keys.
LARGE = 10
# The kernel of the convolution wants rows of projections to be multiples of eight.
OPTIONS = {"swa": "window=6", "m2": "head_dim=8", "d": "head_dim=8", "gd": "head_dim=8"}
LAYERS = tuple(f"{code}[{OPTIONS[code]}]" if code in OPTIONS else code for code in operator_types())


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.syspath_prepend(TESTS / "space" / "kernels")
    # A collection takes longer than anything here.
    monkeypatch.setattr(load("gpu_bench"), "garbage_collector_off", nullcontext)


@pytest.fixture
def packages(fresh_kernels: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """All kernel packages, with the options that our own adapters do not use."""
    modules = importlib.import_module("kernel_fakes").FakePackages().modules()
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    options: dict[str, Callable[..., Any]] = {
        "causal_conv1d.causal_conv1d_fn": with_activation,
        "causal_conv1d.causal_conv1d_update": with_activation,
        "fla.ops.delta_rule.chunk_delta_rule": with_norm,
        "fla.ops.gated_delta_rule.chunk_gated_delta_rule": with_norm,
        "fla.ops.gated_delta_rule.fused_recurrent_gated_delta_rule": with_norm,
        "mamba_ssm.ops.selective_scan_interface.selective_scan_fn": with_step_sizes,
        "mamba_ssm.ops.triton.selective_state_update.selective_state_update": with_gate,
        "mamba_ssm.ops.triton.ssd_combined.mamba_chunk_scan_combined": with_gate,
    }
    for path, option in options.items():
        place, _, name = path.rpartition(".")
        monkeypatch.setattr(modules[place], name, partial(option, getattr(modules[place], name)))
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda: (9, 0))


def with_activation(function: Callable[..., Tensor], *inputs: Any, activation: str | None) -> Tensor:
    y = function(*inputs)
    assert activation in {None, "silu"}
    return functional.silu(y) if activation else y


def with_norm(
    function: Callable[..., Any], *, q: Tensor, k: Tensor, use_qk_l2norm_in_kernel: bool, **others: Any
) -> Any:
    if use_qk_l2norm_in_kernel:
        q, k = (functional.normalize(x, dim=-1) for x in (q, k))
    return function(q=q, k=k, **others)


def with_gate(function: Callable[..., Tensor], *inputs: Any, z: Tensor | None, **others: Any) -> Tensor:
    y = function(*inputs, **others)
    return y if z is None else y * functional.silu(z)


def with_step_sizes(
    function: Callable[..., Tensor], u: Tensor, delta: Tensor, *inputs: Tensor, z: Tensor | None = None, **others: Any
) -> Tensor:
    """All of them have tokens last."""
    if not others:
        return function(u, delta, *inputs)
    assert z is not None
    assert others["delta_softplus"]
    y = function(u, functional.softplus(delta + others["delta_bias"][:, None]), *inputs)
    return (y + others["D"][:, None] * u) * functional.silu(z)


def load(name: str) -> ModuleType:
    return importlib.import_module(name)


def error(actual: Tensor, expected: Tensor) -> float:
    return ((actual - expected).norm() / expected.norm()).item()


def one_of(notation: str) -> Mixer:
    torch.manual_seed(0)
    return load("wrapping").build_stack(cpu_bench(), parse_operator(notation), WIDTH)[0]


def cpu_bench(**changes: Any) -> Any:
    settings: dict[str, Any] = {
        "device": torch.device("cpu"),
        "dtype": torch.float32,
        "timer": lambda run: float(len(run())),
        "new_capture": lambda: lambda warm_up, run: run,
        "clocks": lambda: None,
        "cache_bytes": 1,
        "copied_bytes": 1000,
        "agreement": EQUAL,
    }
    return load("gpu_bench").Bench(**settings | changes)


def all_calls() -> list[Any]:
    layer = load("direct_layers.layer")
    return [layer.Calls(options, missing) for options in (False, True) for missing in (frozenset(), layer.STAND_INS)]


@pytest.mark.parametrize("notation", LAYERS)
def test_layers_by_hand_compute_what_ours_compute(packages: None, notation: str) -> None:
    ours = one_of(notation)
    x, gradient = LARGE * torch.randn(2, BATCH, TOKENS, WIDTH)
    x.requires_grad_()
    expected = ours(x)
    (wanted,) = torch.autograd.grad(expected, x, gradient)
    for calls in all_calls():
        direct = load("direct_layers.table").DIRECT_LAYERS[type(ours)](ours, calls)
        y = direct(x)
        into_x, *_ = torch.autograd.grad(y, (x, *direct.parameters()), gradient)
        assert error(y, expected) <= EQUAL, calls
        assert error(into_x, wanted) <= EQUAL, calls


@pytest.mark.parametrize("notation", LAYERS)
@torch.inference_mode()
def test_steps_by_hand_go_on_as_ours(packages: None, notation: str) -> None:
    """Windows have wrapped around by then."""
    ours, x = one_of(notation), LARGE * torch.randn(STEPS, BATCH, WIDTH)
    state = ours.new_state(BATCH, TOKENS + STEPS, StateFormat.like(x))
    for part in state:
        part.normal_()
    directs = [load("direct_layers.table").DIRECT_LAYERS[type(ours)](ours, calls) for calls in all_calls()]
    own = [direct.state(state) for direct in directs]
    for position, token in enumerate(x, TOKENS):
        cursor = Cursor(torch.tensor([position]), position + 1)
        expected = ours.step(token, state, cursor)
        for direct, live in zip(directs, own, strict=True):
            y = direct.step(token, live, direct.shared(cursor, live))
            assert error(y, expected) <= EQUAL, direct.calls


def test_a_difference_is_noticed(packages: None, monkeypatch: pytest.MonkeyPatch) -> None:
    wrapping, scans = load("wrapping"), sys.modules["mamba_ssm.ops.triton.ssd_combined"]
    right = scans.mamba_chunk_scan_combined
    monkeypatch.setattr(scans, "mamba_chunk_scan_combined", lambda *inputs, **others: 1.01 * right(*inputs, **others))
    # A norm of the output hides factors, but not from gates and gains.
    case = wrapping.Case("m2[head_dim=8]", WIDTH, "training", BATCH, TOKENS)
    with pytest.raises(RuntimeError, match=r"^m2.*, training: tensor \d of direct differs from ours"):
        wrapping.measure_wrapping(cpu_bench(agreement=1e-9), case, load("comparison").Rounds(1, 1, 1))


def test_ratios_are_direct_over_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = load("comparison")
    clock = {"nas-search": 2.0, "direct": 1.8}
    ready: list[str] = []

    def contestant(name: str) -> Any:
        def make_ready() -> Any:
            ready.append(name)
            return lambda: (name,)

        return make_ready

    bench = cpu_bench(timer=lambda run: clock[run()[0]])
    contestants = {name: contestant(name) for name in clock}
    compared = comparison.Comparison("d", "decode", "d", contestants, tokens=4)
    figures = bench.measure(compared, comparison.Rounds(least=2, most=99, seconds=0.038))
    ours, direct = figures.rows
    # A round takes 3.8 ms; two rounds come before those that count.
    assert ours.n == direct.n == 10
    assert ready == ["nas-search", "direct"] * 12
    assert (ours.median_ms, direct.median_ms) == (0.5, 0.45)
    assert direct.ratio == direct.ratio_low == direct.ratio_high == pytest.approx(0.9)


def test_layers_do_not_fit_the_cache() -> None:
    wrapping, spec = load("wrapping"), parse_operator("f")
    layer_bytes = 4 * spec.parameters(WIDTH)
    for cache_bytes in (1, layer_bytes, 3 * layer_bytes - 1, 3 * layer_bytes):
        stack = wrapping.build_stack(cpu_bench(cache_bytes=cache_bytes), spec, WIDTH)
        assert len(stack) * layer_bytes > cache_bytes
        assert len(stack) == max(2, cache_bytes // layer_bytes + 1)
    first, second = stack[:2]
    assert not torch.equal(first.out_proj.weight, second.out_proj.weight)


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


def small_plan() -> Any:
    operators = load("gpu_operators")
    rounds = load("comparison").Rounds(2, 2, 1)
    settings = {"batch": 1, "tokens": 7, "contexts": (5, 9)}
    return operators.Plan((256,), lambda: [("nemotron-flash-1b", Architecture.parse("w32 a f"))], rounds, **settings)


def run_report(tmp_path: Path, console: Console) -> tuple[bool, dict[str, Any], str]:
    operators = load("gpu_operators")
    path = tmp_path / "found.json"
    record = operators.Record(path, {"name": "a CPU"})
    complete = operators.report(small_plan(), cpu_bench(), record, console)
    document = json.loads(path.read_text())
    assert document == json.loads(json.dumps(record.document))
    return complete, document, console.export_text()


@pytest.fixture
def console() -> Console:
    return Console(width=200, record=True, quiet=False, file=StringIO())


def test_everything_is_compared_printed_and_written(packages: None, tmp_path: Path, console: Console) -> None:
    """In float32, which flash-attn and the scans of flash-linear-attention do not take."""
    complete, document, text = run_report(tmp_path, console)
    assert complete
    found = {(row["case"]["operator"], row["case"]["phase"]): row for row in document["wrapping"]}
    assert set(found) == {(code, phase) for code in operator_types() for phase in ("training", "decode")}
    without = {(code, "training") for code in ("d", "gd", "gla", "r7")}
    for case, row in found.items():
        assert bool(row["figures"]) == (case not in without)
        assert ("does not take float32" in row["note"]) == (case in without)
    assert found["a", "training"]["missing"] == ["causal attention"]
    contestants = [figure["contestant"] for figure in found["m2", "decode"]["figures"]]
    assert contestants == ["nas-search", "direct", "direct, kernel options"]
    assert [row["context"] for row in document["decoding"]] == [5, 9]
    assert "at least 0.95: reached (14 of 14 are); not compared: 4" in text
    assert text.count("target, nemotron-flash-1b") == 2


@pytest.mark.usefixtures("no_kernel_packages")
def test_a_missing_package_is_told(tmp_path: Path, console: Console) -> None:
    complete, document, _ = run_report(tmp_path, console)
    assert complete
    compared = {row["case"]["operator"] for row in document["wrapping"] if row["figures"]}
    assert compared == {"a", "swa", "f"}
    notes = {row["case"]["operator"]: row["note"] for row in document["wrapping"] if not row["figures"]}
    assert notes.keys() == operator_types().keys() - compared
    assert all("flash-linear-attention" in notes[code] for code in ("d", "gd", "gla", "r7"))
    assert all("mamba-ssm" in notes[code] for code in ("m", "m2"))


@pytest.mark.usefixtures("no_kernel_packages")
def test_a_row_that_fails_costs_no_other(tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*inputs: Any) -> Any:
        raise torch.OutOfMemoryError("no memory\nleft")

    monkeypatch.setattr(load("wrapping"), "training_of_stack", exhausted)
    complete, document, text = run_report(tmp_path, console)
    assert not complete
    failed = [row["case"]["phase"] for row in document["wrapping"] if row["failed"]]
    assert failed == ["training"] * 3
    assert text.count("OutOfMemoryError: no memory left") == 3
    assert all(row["figures"] for row in document["decoding"])


@pytest.mark.usefixtures("no_kernel_packages")
def test_results_are_written_after_every_row(tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the end: it is interrupted at the first network."""

    def interrupted(*inputs: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(load("gpu_operators"), "measure_decoding", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_report(tmp_path, console)
    document = json.loads((tmp_path / "found.json").read_text())
    assert len(document["wrapping"]) == 2 * len(operator_types())
    assert document["decoding"] == []


@pytest.mark.parametrize(
    ("lows", "words"),
    [([0.95, 1.2], "reached (2 of 2 are)"), ([0.94, 1.2], "NOT reached (1 of 2 are not)"), ([], "unknown")],
)
def test_targets(lows: list[float], words: str) -> None:
    assert load("gpu_operators").target_reached(lows, 0.95).startswith(words)


def test_the_table_of_steps_has_both_times(console: Console) -> None:
    kind = {"operator": "d[head_dim=4]", "width": 2048, "dtype": "bfloat16", "batch": 1}
    steps = [
        {**kind, "fused_ms": 0.01, "plain_ms": 0.025, "kernel": "fused"},
        {**kind, "fused_ms": None, "plain_ms": None, "kernel": "plain"},
    ]
    console.print(load("gpu_operators").step_table(steps))
    *_, first, second, _ = (line.split() for line in console.export_text().splitlines())
    assert [cell for cell in first if cell != "│"] == [
        "d[head_dim=4]",
        "2048",
        "bfloat16",
        "1",
        "10.0",
        "25.0",
        "2.50",
        "fused",
    ]
    assert [cell for cell in second if cell != "│"] == ["d[head_dim=4]", "2048", "bfloat16", "1", "plain"]


@pytest.mark.parametrize(("name", "expected"), [("NVIDIA H100 80GB HBM3", 3.35e12), ("NVIDIA Something New", None)])
def test_the_published_bandwidth_is_that_of_the_known_device(name: str, expected: float | None) -> None:
    properties = SimpleNamespace(name=name, total_memory=85_000_000_000)
    assert load("gpu_bench").published_bandwidth(properties) == expected


def test_clocks_and_driver(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    library = SimpleNamespace(
        NVML_CLOCK_SM=1,
        NVML_CLOCK_MEM=2,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: f"handle of {uuid}",
        nvmlDeviceGetClockInfo=lambda handle, kind: {1: 1500, 2: 2600}[kind] if handle == "handle of GPU-12-34" else 0,
        nvmlSystemGetDriverVersion=lambda: "580.1",
    )
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda device: SimpleNamespace(uuid="12-34"))
    bench = load("gpu_bench")
    monkeypatch.setitem(sys.modules, "pynvml", library)
    known = bench.Nvml(torch.device("cuda"))
    assert (known.clocks(), known.driver()) == (bench.Clocks(1500, 2600), "580.1")
    assert capsys.readouterr().out == ""
    monkeypatch.setitem(sys.modules, "pynvml", None)
    unknown = bench.Nvml(torch.device("cuda"))
    assert (unknown.clocks(), unknown.driver()) == (None, None)
    assert capsys.readouterr().out.startswith("clocks and driver are unknown: ModuleNotFoundError")
    rows = [
        SimpleNamespace(clocks=clocks) for clocks in [(bench.Clocks(1500, 2600), bench.Clocks(1980, 2600)), (None,)]
    ]
    seen = "clocks: multiprocessors 1500 to 1980 MHz, memory 2600 to 2600 MHz"
    assert load("gpu_operators").clocks_seen(rows) == seen
    assert load("gpu_operators").clocks_seen(rows[1:]) == "clocks: unknown"


def test_a_file_that_cannot_be_written_is_told_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    operators = load("gpu_operators")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.current_device", lambda: 0)
    monkeypatch.setattr(operators, "Nvml", lambda device: None)
    monkeypatch.setattr(operators, "device_facts", lambda device, nvml: {})
    path = tmp_path / "nowhere" / "found.json"
    monkeypatch.setattr(sys, "argv", ["gpu_operators.py", "--out", str(path)])
    assert operators.main() == 2
    assert capsys.readouterr().err == f"gpu_operators: --out {path}: No such file or directory\n"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("phase", ["training", "decode"])
def test_a_layer_on_a_gpu(phase: str) -> None:
    wrapping, gpu = load("wrapping"), load("gpu_bench")
    device = torch.device("cuda", torch.cuda.current_device())
    bench = gpu.gpu_bench(device, gpu.Nvml(device))
    row = wrapping.measure_wrapping(bench, wrapping.Case("f", 512, phase, 1, 64), load("comparison").Rounds(3, 3, 1))
    assert row.layers * 2 * parse_operator("f").parameters(512) > bench.cache_bytes
    assert all(figure.median_ms > 0 for figure in row.figures)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_without_cuda_one_line_says_so() -> None:
    command = [sys.executable, BENCHMARKS / "gpu_operators.py", "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "gpu_operators: PyTorch finds no CUDA device, and everything here is measured on one\n"
