"""Layers written by hand around the same kernels compute what ours compute, and both are timed alike."""

import sys
from typing import Any

import pytest
import torch
from gpu_fakes import EQUAL, WIDTH, cpu_bench, load
from torch import Tensor

from nas_search.space.notation import parse_operator
from nas_search.space.operators.module import Cursor, Mixer, StateFormat
from nas_search.space.operators.registry import operator_types

BATCH, TOKENS, STEPS = 2, 21, 3
# PyTorch normalises without the eps of the packages, which matters to small queries and keys.
LARGE = 10
# The kernel of the convolution wants rows of projections to be multiples of eight.
OPTIONS = {"swa": "window=6", "m2": "head_dim=8", "d": "head_dim=8", "gd": "head_dim=8"}
LAYERS = tuple(f"{code}[{OPTIONS[code]}]" if code in OPTIONS else code for code in operator_types())


def error(actual: Tensor, expected: Tensor) -> float:
    return ((actual - expected).norm() / expected.norm()).item()


def one_of(notation: str) -> Mixer:
    torch.manual_seed(0)
    return load("wrapping").build_stack(cpu_bench(), parse_operator(notation), WIDTH)[0]


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
