"""The choice between fused and plain steps, with a timer that says what a test wants to hear."""

import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence

import pytest
import torch
from fused_cases import make_layer
from torch import Tensor

from nas_search.space.kernels.fused import choice
from nas_search.space.kernels.fused.choice import (
    FUSED,
    FUSED_OPERATORS,
    LARGEST_BATCH,
    PLAIN,
    LayerKind,
    StepChoices,
    StepTimes,
)
from nas_search.space.kernels.registry import KernelFallbackWarning
from nas_search.space.model import Layer
from nas_search.space.notation import parse_operator
from nas_search.space.operators.deltanet.module import DeltaNetModule
from nas_search.space.operators.module import Cursor, Mixer, State, StateFormat
from nas_search.space.operators.rms_norm import RMSNorm

WIDTH = 32
# Formats of the memory and of the inputs of the convolution.
SINGLE = ("float32", "float32")


class FakeTimer:
    """Runs what it is given, says what it was told to, and counts."""

    def __init__(self, fused_ms: float, plain_ms: float) -> None:
        self.answer = [fused_ms, plain_ms]
        self.calls = 0

    def __call__(self, runs: Sequence[Callable[[], Tensor]]) -> list[float]:
        self.calls += 1
        for run in runs:
            run()
        return self.answer


def fused_step(norm: RMSNorm, mixer: Mixer, x: Tensor, state: State, cursor: Cursor) -> Tensor:
    """Stands in for kernels: changes the state, and its output is known by its sign."""
    state[0].add_(cursor.length)
    return -x.abs()


def choices(timer: FakeTimer) -> StepChoices:
    return StepChoices(timer, lambda: {DeltaNetModule: fused_step})


def step(
    chosen: StepChoices,
    layer: Layer,
    batch: int = 1,
    dtype: torch.dtype = torch.float32,
    memory: torch.dtype | None = None,
) -> tuple[bool, State]:
    """Whether the fused step ran, and the state that it left."""
    layer, x = layer.to(dtype), torch.ones(batch, WIDTH, dtype=dtype)
    state = layer.mixer.new_state(batch, 1, StateFormat.like(x, memory))
    y = chosen.step(layer, x, state, Cursor(torch.tensor([0]), 1))
    return bool((y == -1).all()), state


@pytest.fixture
def layer() -> Layer:
    return make_layer("d", WIDTH)


@pytest.mark.parametrize(("fused_ms", "plain_ms", "kernel"), [(1.0, 2.0, FUSED), (2.0, 1.0, PLAIN), (1.0, 1.0, PLAIN)])
@torch.inference_mode()
def test_the_faster_step_runs(layer: Layer, fused_ms: float, plain_ms: float, kernel: str) -> None:
    chosen = choices(FakeTimer(fused_ms, plain_ms))
    fused, _ = step(chosen, layer)
    assert fused == (kernel == FUSED)
    assert chosen.times == {LayerKind("d", WIDTH, "float32", 1, SINGLE): StepTimes(fused_ms, plain_ms)}
    assert [times.kernel for times in chosen.times.values()] == [kernel]


@torch.inference_mode()
def test_a_kind_of_layer_is_timed_once(layer: Layer) -> None:
    timer = FakeTimer(1.0, 2.0)
    chosen = choices(timer)
    for like in (layer, layer, make_layer("d", WIDTH)):
        assert step(chosen, like)[0]
    assert timer.calls == 1
    step(chosen, layer, batch=2)
    step(chosen, make_layer("d[head_dim=16]", WIDTH))
    step(chosen, layer, dtype=torch.bfloat16)
    step(chosen, layer, dtype=torch.bfloat16, memory=torch.bfloat16)
    assert timer.calls == 5
    assert set(chosen.times) == {
        LayerKind("d", WIDTH, "float32", 1, SINGLE),
        LayerKind("d", WIDTH, "float32", 2, SINGLE),
        LayerKind("d[head_dim=16]", WIDTH, "float32", 1, SINGLE),
        LayerKind("d", WIDTH, "bfloat16", 1, ("float32", "bfloat16")),
        LayerKind("d", WIDTH, "bfloat16", 1, ("bfloat16", "bfloat16")),
    }


@torch.inference_mode()
def test_timing_leaves_the_state_alone(layer: Layer) -> None:
    _, state = step(choices(FakeTimer(1.0, 2.0)), layer)
    assert torch.equal(state[0], torch.ones_like(state[0]))
    assert not state[1].any()


@torch.inference_mode()
def test_decisions_by_operator_and_number_format(layer: Layer) -> None:
    fused, plain = choices(FakeTimer(1.0, 2.0)), choices(FakeTimer(2.0, 1.0))
    assert not fused.runs_fused({"d"}, "float32")
    for chosen in (fused, plain):
        step(chosen, layer)
    assert fused.runs_fused({"f", "d"}, "float32")
    assert not fused.runs_fused({"d"}, "bfloat16")
    assert not fused.runs_fused({"f", "d[head_dim=16]"}, "float32")
    assert not plain.runs_fused({"d"}, "float32")


@torch.inference_mode()
def test_nothing_is_timed_during_a_capture(layer: Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    timer = FakeTimer(1.0, 2.0)
    chosen = choices(timer)
    with monkeypatch.context() as patch:
        patch.setattr(choice, "capturing", lambda: True)
        assert not step(chosen, layer)[0]
        assert timer.calls == 0
        assert not chosen.times
    assert step(chosen, layer)[0]
    with monkeypatch.context() as patch:
        patch.setattr(choice, "capturing", lambda: True)
        assert step(chosen, layer)[0]


@pytest.mark.parametrize(
    ("notation", "batch", "dtype"),
    [("d", 1, torch.float64), ("d", LARGEST_BATCH + 1, torch.float32), ("f", 1, torch.float32)],
    ids=["float64", "large batch", "no fused step"],
)
@torch.inference_mode()
def test_other_calls_are_plain(notation: str, batch: int, dtype: torch.dtype) -> None:
    timer = FakeTimer(1.0, 2.0)
    fused, _ = step(choices(timer), make_layer(notation, WIDTH), batch, dtype)
    assert not fused
    assert timer.calls == 0


@torch.inference_mode()
def test_kernels_that_do_not_run_are_told_once(layer: Layer) -> None:
    def broken(runs: Sequence[Callable[[], Tensor]]) -> list[float]:
        raise RuntimeError("no C\n compiler")

    chosen = StepChoices(broken, lambda: {DeltaNetModule: fused_step})
    with pytest.warns(KernelFallbackWarning, match=r"d at width 32: .* \(no C compiler\)"):
        assert not step(chosen, layer)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not step(chosen, layer)[0]
    assert [times.kernel for times in chosen.times.values()] == [PLAIN]


def test_steps_with_gradients_are_plain(layer: Layer) -> None:
    timer = FakeTimer(1.0, 2.0)
    x = torch.ones(1, WIDTH)
    state = layer.mixer.new_state(1, 1, StateFormat.like(x))
    y = choices(timer).step(layer, x, state, Cursor(torch.tensor([0]), 1))
    assert y.requires_grad
    assert timer.calls == 0


@pytest.mark.usefixtures("no_kernel_packages")
def test_without_triton_there_are_no_fused_steps() -> None:
    assert not choice.fused_steps.__wrapped__()


def test_the_operators_of_all_fused_steps_are_told() -> None:
    pytest.importorskip("triton", reason="the steps come with Triton")
    mixers = {type(parse_operator(code).build(WIDTH)) for code in FUSED_OPERATORS}
    assert mixers == set(choice.fused_steps())


def test_a_step_on_a_cpu_does_not_import_triton() -> None:
    program = """
import sys, torch
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM
model = HybridLM(Architecture.parse("w32 d f m2 f gd a swa f"))
with torch.inference_mode():
    model.step(torch.zeros(1, dtype=torch.int64), model.new_state(1, 1))
sys.exit("triton" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
