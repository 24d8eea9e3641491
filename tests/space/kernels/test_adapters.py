"""Adapters against our own functions: what they hand to a kernel, and what they make of its results.

The kernels are fakes that do what the packages document. Some of them take decays in float32 only, so results are
compared to that precision.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from kernel_fakes import FakePackages
from torch import Tensor
from torch.nn import functional

from nas_search.space.kernels import causal_conv1d, fla, flash_attention, mamba_ssm
from nas_search.space.kernels.precision import number_format
from nas_search.space.kernels.registry import Kernel, KernelFallbackWarning, Operation
from nas_search.space.operators.attention import kernels as attention
from nas_search.space.operators.delta_rule import kernels as delta
from nas_search.space.operators.delta_rule.recurrence import DeltaToken
from nas_search.space.operators.gla import kernels as gla
from nas_search.space.operators.mamba import kernels as mamba
from nas_search.space.operators.mamba2 import kernels as mamba2
from nas_search.space.operators.module import Cursor
from nas_search.space.operators.rwkv7 import kernels as rwkv7
from nas_search.space.operators.rwkv7.dplr import DplrTokens
from nas_search.space.operators.short_convolution import CONVOLUTION, CONVOLUTION_STEP
from nas_search.space.operators.sliding_window.kernels import WINDOWED_ATTENTION

BATCH, TOKENS, HEADS, KEY, VALUE = 2, 19, 4, 8, 16
PRECISION = 1e-6
CUDA = torch.device("cuda")


class Case(NamedTuple):
    """A kernel, our function, their inputs, and whether the first of them is changed in place."""

    kernel: Kernel
    portable: Callable[..., Any]
    inputs: Callable[[], tuple[Any, ...]]
    in_place: bool = False


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


def unit(*shape: int) -> Tensor:
    return functional.normalize(normal(*shape), dim=-1)


def share(*shape: int) -> Tensor:
    return torch.rand(shape, dtype=torch.float64)


def of(operation: Operation, inputs: Callable[[], tuple[Any, ...]]) -> Case:
    return Case(operation.faster[0], operation.portable, inputs, operation.in_place)


def heads_first(heads: int) -> Tensor:
    """[B, heads, T, D] as attention has it: a view of tokens before heads."""
    return normal(BATCH, TOKENS, heads, VALUE).transpose(1, 2)


def attention_inputs() -> tuple[Tensor, ...]:
    return heads_first(HEADS), heads_first(2), heads_first(2)


def cache_inputs(position: int, slots: int) -> tuple[Any, ...]:
    cursor = Cursor(torch.tensor([position]), position + 1)
    return normal(BATCH, 2, HEADS // 2, VALUE), normal(BATCH, 2, 2, slots, VALUE), cursor


def bounded_cache_inputs() -> tuple[Any, ...]:
    """As in a captured CUDA graph: the host knows a bound of the position, the device the position."""
    q, cache, _ = cache_inputs(4, 12)
    return q, cache, Cursor(torch.tensor([4]), 10, torch.arange(10) <= 4)


def convolution_inputs(taps: int, bias: bool) -> tuple[Any, ...]:
    # A part of a wider projection, as in the operators.
    x = normal(BATCH, TOKENS, 30)[..., 3:19]
    return x, normal(taps, 16), normal(16) if bias else None


def convolution_step_inputs(taps: int, bias: bool) -> tuple[Any, ...]:
    return normal(BATCH, taps - 1, 16), normal(BATCH, 16), normal(taps, 16), normal(16) if bias else None


def state_space_tokens(*leading: int) -> mamba2.StateSpaceTokens:
    """Two groups of heads, state of 5."""
    sizes = (HEADS * 8, HEADS, 10, 10)
    return mamba2.StateSpaceTokens(*torch.split(normal(*leading, sum(sizes)), sizes, -1))


def rates() -> mamba2.HeadRates:
    return mamba2.HeadRates(normal(HEADS), share(HEADS), normal(HEADS))


def delta_token(*leading: int, gated: bool) -> DeltaToken:
    decay = -share(*leading, HEADS) if gated else None
    keys = (*leading, HEADS, KEY)
    return DeltaToken(unit(*keys), unit(*keys), normal(*leading, HEADS, VALUE), share(*leading, HEADS), decay)


def delta_inputs(gated: bool) -> tuple[Tensor, ...]:
    return tuple(part for part in delta_token(BATCH, TOKENS, gated=gated) if part is not None)


def gla_inputs(*leading: int) -> tuple[Tensor, ...]:
    keys = (*leading, HEADS, KEY)
    return unit(*keys), unit(*keys), normal(*leading, HEADS, VALUE), -share(*keys)


def rwkv7_tokens(*leading: int) -> DplrTokens:
    shape = (*leading, HEADS, VALUE)
    removed = unit(*shape)
    decay = fla.RWKV7_LEAST_LOG_DECAY * share(*shape)
    return DplrTokens(normal(*shape), decay, normal(*shape), normal(*shape), -removed, removed * share(*shape))


def selective_inputs() -> tuple[Tensor, ...]:
    steps, states = (BATCH, TOKENS, VALUE), (BATCH, TOKENS, 5)
    return normal(*steps), share(*steps), -share(VALUE, 5), normal(*states), normal(*states)


def memory() -> Tensor:
    return normal(BATCH, HEADS, KEY, VALUE)


CASES = {
    "attention": of(attention.CAUSAL_ATTENTION, attention_inputs),
    "window of 5": of(WINDOWED_ATTENTION, lambda: (*attention_inputs(), 5)),
    "window of 1": of(WINDOWED_ATTENTION, lambda: (*attention_inputs(), 1)),
    "window over all": of(WINDOWED_ATTENTION, lambda: (*attention_inputs(), 100)),
    "first token": of(attention.CACHED_ATTENTION, lambda: cache_inputs(0, 12)),
    "cache": of(attention.CACHED_ATTENTION, lambda: cache_inputs(6, 12)),
    "full ring": of(attention.CACHED_ATTENTION, lambda: cache_inputs(40, 12)),
    "cache under a bound": of(attention.CACHED_ATTENTION, bounded_cache_inputs),
    "convolution of 4": of(CONVOLUTION, lambda: convolution_inputs(4, True)),
    "convolution of 2": of(CONVOLUTION, lambda: convolution_inputs(2, False)),
    "convolution step of 4": of(CONVOLUTION_STEP, lambda: convolution_step_inputs(4, True)),
    "convolution step of 2": of(CONVOLUTION_STEP, lambda: convolution_step_inputs(2, False)),
    "mamba2": of(mamba2.STATE_SPACE_SCAN, lambda: (state_space_tokens(BATCH, TOKENS), rates(), 5, False)),
    "mamba2 step": of(
        mamba2.STATE_SPACE_STEP, lambda: (normal(BATCH, HEADS, 8, 5), state_space_tokens(BATCH), rates())
    ),
    "mamba": of(mamba.SELECTIVE_SCAN, selective_inputs),
    "mamba step": of(
        mamba.SELECTIVE_STEP,
        lambda: (normal(BATCH, VALUE, 5), -share(VALUE, 5), tuple(part[:, 0] for part in selective_inputs_of_tokens())),
    ),
    "delta rule": of(delta.DELTA_RULE, lambda: delta_inputs(gated=False)),
    "gated delta rule": of(delta.GATED_DELTA_RULE, lambda: delta_inputs(gated=True)),
    "delta step": of(delta.DELTA_STEP, lambda: (memory(), delta_token(BATCH, gated=False))),
    "gated delta step": of(delta.DELTA_STEP, lambda: (memory(), delta_token(BATCH, gated=True))),
    "gla": of(gla.GATED_LINEAR_ATTENTION, lambda: gla_inputs(BATCH, TOKENS)),
    "gla step": of(gla.GATED_LINEAR_ATTENTION_STEP, lambda: (memory(), *gla_inputs(BATCH))),
    "rwkv7": of(rwkv7.RWKV7, lambda: (rwkv7_tokens(BATCH, TOKENS),)),
    "rwkv7 step": of(rwkv7.RWKV7_STEP, lambda: (normal(BATCH, HEADS, VALUE, VALUE), rwkv7_tokens(BATCH))),
}  # fmt: skip


def selective_inputs_of_tokens() -> tuple[Tensor, ...]:
    u, dt, _, b, c = selective_inputs()
    return u, dt, b, c


def floats(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor) and value.is_floating_point():
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from floats(part)


def close(actual: Tensor, expected: Tensor) -> None:
    assert actual.shape == expected.shape
    assert (actual - expected).norm() <= PRECISION * expected.norm()


@pytest.mark.parametrize("name", CASES)
def test_the_kernel_gives_what_our_function_gives(packages: FakePackages, name: str) -> None:
    case = CASES[name]
    torch.manual_seed(0)
    ours = case.inputs()
    torch.manual_seed(0)
    theirs = case.inputs()
    expected, actual = case.portable(*ours), case.kernel.load()(*theirs)
    assert packages.calls.keys() == {case.kernel.name}
    for a, b in zip(floats(actual if isinstance(actual, tuple) else (actual,)), floats((expected,)), strict=True):
        close(a, b)
    if case.in_place:
        close(theirs[0], ours[0])


SEQUENCES = ("attention", "window of 5", "convolution of 4", "convolution of 2", "mamba2", "mamba")
RECURRENCES = ("delta rule", "gated delta rule", "gla", "rwkv7")


@pytest.mark.parametrize("name", SEQUENCES + RECURRENCES)
def test_gradients_go_through_the_adapter(packages: FakePackages, name: str) -> None:
    case = CASES[name]
    gradients = []
    for function in (case.portable, case.kernel.load()):
        torch.manual_seed(0)
        inputs = case.inputs()
        leaves = [leaf.requires_grad_() for leaf in floats(inputs)]
        y = next(floats((function(*inputs),)))
        weight = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)
        gradients.append(torch.autograd.grad((y * weight).sum(), leaves))
    for ours, theirs in zip(*gradients, strict=True):
        close(theirs, ours)


def test_the_scan_of_mamba2_leaves_the_state_of_our_scan(packages: FakePackages) -> None:
    inputs = (state_space_tokens(BATCH, TOKENS), rates(), 5, True)
    with torch.no_grad():
        y, state = mamba_ssm.STATE_SPACE_SCAN.load()(*inputs)
        expected, expected_state = mamba2.state_space_scan(*inputs)
    assert expected_state is not None
    close(y, expected)
    close(state, expected_state)


def test_rates_of_a_head_reach_the_kernel_as_one_number(packages: FakePackages) -> None:
    """It takes a faster way if their strides are zero."""
    mamba_ssm.STATE_SPACE_STEP.load()(normal(BATCH, HEADS, 8, 5), state_space_tokens(BATCH), rates())
    (call,) = packages.calls["selective_state_update"]
    assert call["dt_bias"].stride(-1) == call["D"].stride(-1) == 0


def test_the_decode_kernel_is_told_the_valid_slots_on_the_device(packages: FakePackages) -> None:
    q, cache, _ = cache_inputs(6, 12)
    meta = Cursor(torch.tensor([6]), 12)
    flash_attention.CACHED_ATTENTION.load()(q, cache, meta)
    (call,) = packages.calls["flash_attn_with_kvcache"]
    assert call["cache_seqlens"].tolist() == [7, 7]


@pytest.mark.parametrize("name", ["delta rule", "gated delta rule", "gla"])
def test_autocast_may_leave_keys_in_float32_beside_values_in_half_precision(packages: FakePackages, name: str) -> None:
    """The fakes insist on one format for all three."""
    q, k, v, *gates = convert(CASES[name].inputs(), torch.float32)
    y, state = CASES[name].kernel.load()(q, k, v.bfloat16(), *gates)
    assert y.dtype == torch.bfloat16
    assert state.dtype == torch.float32


def anew(operation: Operation) -> Operation:
    """The same with kernels that nobody has loaded before."""
    return replace(operation, faster=tuple(map(replace, operation.faster)))


HALF_CASES = {
    "attention": attention.CAUSAL_ATTENTION,
    "convolution of 4": CONVOLUTION,
    "mamba2": mamba2.STATE_SPACE_SCAN,
    "mamba": mamba.SELECTIVE_SCAN,
    "delta rule": delta.DELTA_RULE,
    "gated delta rule": delta.GATED_DELTA_RULE,
    "gla": gla.GATED_LINEAR_ATTENTION,
    "rwkv7": rwkv7.RWKV7,
    "delta step": delta.DELTA_STEP,
    "mamba step": mamba.SELECTIVE_STEP,
    "gla step": gla.GATED_LINEAR_ATTENTION_STEP,
    "rwkv7 step": rwkv7.RWKV7_STEP,
    "mamba2 step": mamba2.STATE_SPACE_STEP,
    "convolution step of 4": CONVOLUTION_STEP,
}


@pytest.mark.usefixtures("no_kernel_packages")
@pytest.mark.parametrize("name", HALF_CASES)
def test_half_precision_without_a_kernel_is_computed_in_float32(name: str) -> None:
    operation = HALF_CASES[name]
    torch.manual_seed(0)
    inputs = CASES[name].inputs()
    half = convert(inputs, torch.bfloat16)
    expected = operation.portable(*(exact := convert(half, torch.float64)))
    with pytest.warns(KernelFallbackWarning, match="PyTorch runs"):
        actual = anew(operation).on(CUDA)(*half)
    pairs = zip(floats((actual,)), floats((expected,)), strict=True)
    for index, (a, b) in enumerate(pairs):
        assert a.dtype == torch.bfloat16 if index == 0 else torch.float32
        # Half a unit in the last place of bfloat16, and attention, which is left to PyTorch, errs a few times.
        assert (a.double() - b).norm() <= (1e-2 if operation.half else 2**-9) * b.norm()
    if operation.in_place:
        assert (half[0].double() - exact[0]).norm() <= 2**-9 * exact[0].norm()


@pytest.mark.parametrize(
    "name", ["delta step", "gated delta step", "gla step", "rwkv7 step", "mamba step", "mamba2 step"]
)
def test_kernels_take_a_float32_memory_beside_half_precision(packages: FakePackages, name: str) -> None:
    case = CASES[name]
    torch.manual_seed(0)
    state, *token = case.inputs()
    state, token = state.float(), convert(tuple(token), torch.bfloat16)
    exact = state.double()
    expected = case.portable(exact, *convert(token, torch.float64))
    assert case.kernel.refusal(number_format(state, *token), (state, *token)) is None
    actual = case.kernel.load()(state, *token)
    assert packages.calls.keys() == {case.kernel.name}
    assert actual.dtype == torch.bfloat16
    assert (actual.double() - expected).norm() <= 2**-8 * expected.norm()
    assert state.dtype == torch.float32
    assert (state.double() - exact).norm() <= PRECISION * exact.norm()


def convert(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, Tensor):
        return value.to(dtype, copy=True) if value.is_floating_point() else value
    if isinstance(value, tuple):
        return getattr(value, "_make", tuple)(convert(part, dtype) for part in value)
    return value


@pytest.mark.parametrize(
    ("operation", "inputs", "reason"),
    [
        (attention.CAUSAL_ATTENTION, lambda: tuple(normal(1, 2, 3, 260) for _ in range(3)), "heads of 260"),
        (attention.CAUSAL_ATTENTION, lambda: tuple(normal(1, 2, 3, 12) for _ in range(3)), "heads of 12"),
        (attention.CACHED_ATTENTION, lambda: (normal(1, 1, 1, 4), *cache_inputs(0, 3)[1:]), "heads of 4"),
        (CONVOLUTION, lambda: (normal(1, 3, 12), normal(4, 12), None), "12 channels"),
        (CONVOLUTION, lambda: convolution_inputs(5, False), "a convolution of 5"),
        (CONVOLUTION_STEP, lambda: convolution_step_inputs(1, False), "a convolution of 1"),
        (delta.DELTA_RULE, lambda: tuple(normal(1, 2, 1, 300) for _ in range(3)), "keys of 300"),
        (rwkv7.RWKV7, lambda: (DplrTokens(*(normal(1, 2, 1, 300) for _ in range(6))),), "keys of 300"),
        (rwkv7.RWKV7, lambda: (DplrTokens(*(normal(1, 2, 1, 8) for _ in range(6))),), "values of 8"),
        (gla.GATED_LINEAR_ATTENTION, lambda: tuple(normal(1, 2, 1, 8) for _ in range(4)), "values of 8"),
        (mamba.SELECTIVE_SCAN, lambda: (normal(1, 2, 3), share(1, 2, 3), -share(3, 300)), "a state of 300"),
    ],
)
def test_sizes_that_a_kernel_does_not_take(
    operation: Operation, inputs: Callable[[], tuple[Any, ...]], reason: str
) -> None:
    told = operation.faster[0].refuses(*inputs())
    assert told is not None
    assert told.startswith(reason)


@pytest.mark.parametrize("operation", [attention.CAUSAL_ATTENTION, WINDOWED_ATTENTION, delta.DELTA_RULE])
def test_float32_goes_elsewhere(packages: FakePackages, operation: Operation) -> None:
    title = operation.faster[0].title
    assert anew(operation).choice("cuda", torch.float32).refused == {title: "it does not take float32"}
    assert anew(operation).choice("cuda", torch.bfloat16).kernel == title


def test_flash_attention_refuses_old_gpus(packages: FakePackages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda: (7, 5))
    with pytest.raises(ImportError, match=r"compute capability 8\.0"):
        flash_attention.ATTENTION.load()


class TestMambaWithoutItsExtension:
    """A package on disk that imports its extension at once, as the real one does."""

    @pytest.fixture(autouse=True)
    def installed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        for module, text in {
            "mamba_ssm/__init__.py": "import selective_scan_cuda\nassert selective_scan_cuda.__spec__ is not None\n",
            "mamba_ssm/ops/__init__.py": "",
            "mamba_ssm/ops/selective_scan_interface.py": "selective_scan_fn = None\n",
            "mamba_ssm/ops/triton/__init__.py": "",
            "mamba_ssm/ops/triton/selective_state_update.py": "selective_state_update = None\n",
            "mamba_ssm/ops/triton/ssd_combined.py": "mamba_chunk_scan_combined = None\n",
        }.items():
            path = tmp_path / module
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        self.forget()
        yield
        self.forget()

    @staticmethod
    def forget() -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] in {"mamba_ssm", mamba_ssm.EXTENSION}]:
            del sys.modules[name]

    @pytest.mark.parametrize(
        "kernel", [mamba_ssm.STATE_SPACE_SCAN, mamba_ssm.STATE_SPACE_STEP, mamba_ssm.SELECTIVE_STEP]
    )
    def test_the_triton_kernels_load(self, kernel: Kernel) -> None:
        assert callable(kernel.load())
        assert mamba_ssm.EXTENSION not in sys.modules

    def test_the_compiled_kernel_does_not(self) -> None:
        mamba_ssm.STATE_SPACE_SCAN.load()
        with pytest.raises(ImportError, match="selective_scan_cuda"):
            mamba_ssm.SELECTIVE_SCAN.load()

    def test_an_extension_that_is_there_stays(self, tmp_path: Path) -> None:
        (tmp_path / "selective_scan_cuda.py").write_text("real = True\n")
        mamba_ssm.STATE_SPACE_SCAN.load()
        assert sys.modules[mamba_ssm.EXTENSION].real
        assert callable(mamba_ssm.SELECTIVE_SCAN.load())


@pytest.mark.parametrize(
    ("shape", "first"),
    [((BATCH, TOKENS, 30), 0), ((1, 1, 30), 0), ((1, TOKENS, 30), 0), ((BATCH, TOKENS, 32), 4)],
    ids=["strides", "strides of axes of one", "one sequence", "address"],
)
def test_channels_that_are_not_aligned_are_copied(packages: FakePackages, shape: tuple[int, ...], first: int) -> None:
    """The fake asserts the kernel's alignment."""
    x = normal(*shape)[..., first : first + 16]
    assert any(step % causal_conv1d.ALIGNMENT for step in (*x.stride()[:2], x.storage_offset()))
    _, weight, bias = convolution_inputs(4, True)
    close(causal_conv1d.CONVOLUTION.load()(x, weight, bias), CONVOLUTION.portable(x, weight, bias))


@pytest.mark.parametrize(
    ("machine", "tilelang", "trains"),
    [
        ({}, False, True),
        ({"IS_NVIDIA_HOPPER": True}, False, False),
        ({"IS_NVIDIA_HOPPER": True}, True, True),
        ({"IS_NVIDIA_HOPPER": True, "TRITON_ABOVE_3_7_1": True}, False, True),
        ({"IS_NVIDIA_HOPPER": True, "TRITON_ABOVE_3_4_0": False}, False, True),
    ],
    ids=["other GPU", "Hopper", "TileLang", "newer Triton", "older Triton"],
)
def test_where_the_gated_delta_rule_has_no_gradient(
    packages: FakePackages, monkeypatch: pytest.MonkeyPatch, machine: dict[str, bool], tilelang: bool, trains: bool
) -> None:
    for name, value in machine.items():
        monkeypatch.setattr(sys.modules["fla.utils"], name, value)
    backend = sys.modules["fla.ops.common.backends"].CommonTileLangBackend
    monkeypatch.setattr(backend, "can_use", lambda: tilelang)
    rule = anew(delta.GATED_DELTA_RULE)
    title = rule.faster[0].title
    assert rule.choice("cuda", torch.bfloat16).kernel == title
    training = rule.choice("cuda", torch.bfloat16, gradient=True)
    assert (training.kernel == title) == trains
    assert trains or "needs Triton 3.7.1 or newer" in training.refused[title]
