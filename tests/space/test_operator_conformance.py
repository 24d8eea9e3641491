"""What every operator must satisfy. A new operator is tested by being registered: there is nothing to add here."""

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from nas_search.space.notation import format_operators, parse_operators
from nas_search.space.operators.base import OperatorSpec
from nas_search.space.operators.module import Cursor, Mixer, State
from nas_search.space.operators.registry import operator_types

WIDTH = 64
BATCH = 2
CPU = torch.device("cpu")
# One token, and one less, as many and one more than the chunks that implementations use; no common multiple.
LENGTHS = (1, 2, 31, 32, 33, 63, 64, 65, 100)
# Options of operators, as data; operators of other packages are tested with their defaults.
VARIANTS = (
    "a[heads=4,kv=2,qk_norm=yes,qkv_bias=yes]",
    "swa[window=5,kv=2]",
    "swa[window=40]",
    "swa[window=70,qk_norm=yes]",
    "m2[groups=2,state=24]",
    "m2[expand=1,conv=2,head_dim=16]",
    "d[head_dim=16,conv=1]",
    "f[hidden=100]",
)
DEFAULTS = tuple(operator_types())

# How weights and inputs are made: scale of the weights, spread of the tokens around one common vector. Large weights
# saturate every gate (decays of exp(-100) beside none at all, beta at 0 and 1); tokens that resemble each other
# make keys nearly collinear.
REGIMES = {"plain": (1.0, None), "saturated": (30.0, None), "alike": (10.0, 1e-2)}


def parse(notation: str) -> OperatorSpec:
    (spec,) = parse_operators(notation)
    return spec


def make(spec: OperatorSpec, regime: str = "plain", dtype: torch.dtype = torch.float64) -> Mixer:
    torch.manual_seed(0)
    module = spec.build(WIDTH).to(dtype)
    with torch.no_grad():
        for weight in module.parameters():
            # Gains, biases and rates must matter too: no parameter stays at a value that hides it.
            weight.mul_(REGIMES[regime][0] if weight.dim() > 1 else 1).add_(0.1 * torch.randn_like(weight))
    return module


def make_input(length: int, regime: str = "plain", dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(length)
    x = torch.randn(BATCH, length, WIDTH, generator=generator, dtype=torch.float64)
    spread = REGIMES[regime][1]
    if spread is not None:
        x = torch.randn(BATCH, 1, WIDTH, generator=generator, dtype=torch.float64) + spread * x
    return x.to(dtype)


def cursor(position: int) -> Cursor:
    return Cursor(torch.tensor([position]), position + 1)


def decode(module: Mixer, x: Tensor, state: State, start: int = 0) -> Tensor:
    with torch.inference_mode():
        return torch.stack([module.step(x[:, t], state, cursor(t)) for t in range(start, x.shape[1])], 1)


def new_state(module: Mixer, length: int, dtype: torch.dtype = torch.float64) -> State:
    return module.new_state(BATCH, length, CPU, dtype)


def relative_error(actual: Tensor, expected: Tensor) -> float:
    return ((actual - expected).norm() / expected.norm().clamp_min(1e-30)).item()


def worst(actual: Tensor, expected: Tensor) -> float:
    return ((actual - expected).abs().max() / expected.abs().max().clamp_min(1e-30)).item()


def assert_equals_reference(spec: OperatorSpec, length: int, regime: str) -> None:
    module, reference = make(spec, regime), spec.reference()
    x = make_input(length, regime).requires_grad_()
    inputs = [x, *module.parameters()]
    actual, expected = module(x), reference(module, x)
    assert worst(actual.detach(), expected.detach()) <= 1e-10
    gradient = torch.randn(expected.shape, dtype=expected.dtype, generator=torch.Generator().manual_seed(1))
    ours = torch.autograd.grad(actual, inputs, gradient)
    theirs = torch.autograd.grad(expected, inputs, gradient)
    # A gradient that is zero but for rounding has no scale of its own.
    scale = max(g.abs().max().item() for g in theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert (a - b).abs().max().item() <= 1e-10 * max(b.abs().max().item(), 1e-4 * scale)


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("notation", DEFAULTS)
def test_forward_and_gradients_equal_the_recurrence(notation: str, length: int, regime: str) -> None:
    assert_equals_reference(parse(notation), length, regime)


@pytest.mark.parametrize("length", [1, 33, 65, 150])
@pytest.mark.parametrize("notation", VARIANTS)
def test_variants_equal_the_recurrence(notation: str, length: int) -> None:
    assert_equals_reference(parse(notation), length, "plain")


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("notation", DEFAULTS + VARIANTS)
def test_steps_equal_forward_in_float64(notation: str, regime: str) -> None:
    module, x = make(parse(notation), regime), make_input(100, regime)
    with torch.inference_mode():
        whole = module(x)
    assert worst(decode(module, x, new_state(module, 100)), whole) <= 1e-10


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("notation", DEFAULTS + VARIANTS)
def test_steps_equal_forward_in_float32(notation: str, length: int) -> None:
    module = make(parse(notation), dtype=torch.float32)
    x = make_input(length, dtype=torch.float32)
    with torch.inference_mode():
        whole = module(x)
    assert relative_error(decode(module, x, new_state(module, length, torch.float32)), whole) <= 1e-6


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("notation", DEFAULTS)
def test_float32_stays_near_float64(notation: str, regime: str) -> None:
    module, x = make(parse(notation), regime), make_input(100, regime)
    narrow = copy.deepcopy(module).float()
    y = narrow(x.float().requires_grad_())
    y.sum().backward()
    assert relative_error(y.detach().double(), module(x).detach()) <= 1e-3
    assert all(p.grad is not None and p.grad.isfinite().all() for p in narrow.parameters())


@pytest.mark.parametrize("prompt", [1, 2, 31, 64, 70])
@pytest.mark.parametrize("notation", DEFAULTS + VARIANTS)
def test_forward_leaves_a_state_to_go_on_from(notation: str, prompt: int) -> None:
    module, x = make(parse(notation)), make_input(90)
    state = new_state(module, 90)
    with torch.inference_mode():
        whole = module(x)
        head = module(x[:, :prompt], state)
    assert worst(head, whole[:, :prompt]) <= 1e-10
    assert worst(decode(module, x, state, start=prompt), whole[:, prompt:]) <= 1e-10


@pytest.mark.parametrize("notation", DEFAULTS + VARIANTS)
def test_forward_overwrites_a_used_state(notation: str) -> None:
    module, x = make(parse(notation)), make_input(50)
    fresh, used = new_state(module, 50), new_state(module, 50)
    decode(module, make_input(49), used)
    with torch.inference_mode():
        module(x[:, :2], fresh)
        module(x[:, :2], used)
    assert torch.equal(decode(module, x, used, start=2), decode(module, x, fresh, start=2))


@pytest.mark.parametrize("notation", DEFAULTS + VARIANTS)
def test_is_causal(notation: str) -> None:
    module, x = make(parse(notation)), make_input(100)
    with torch.inference_mode():
        before = module(x)
        for position in (1, 50, 64, 99):
            changed = x.clone()
            changed[:, position:] = torch.randn_like(changed[:, position:])
            assert worst(module(changed)[:, :position], before[:, :position]) <= 1e-12


@pytest.mark.parametrize("notation", DEFAULTS)
def test_says_truthfully_whether_it_mixes_tokens(notation: str) -> None:
    spec = parse(notation)
    module, x = make(spec), make_input(10)
    changed = x.clone()
    changed[:, 0] += 1
    with torch.inference_mode():
        reaches = not torch.equal(module(changed)[:, 1:], module(x)[:, 1:])
    assert reaches == spec.mixes_tokens


@pytest.mark.parametrize("notation", DEFAULTS + VARIANTS)
def test_a_bounded_length_with_a_mask_equals_the_exact_length(notation: str) -> None:
    """As a captured CUDA graph reads the cache: up to a bound that is not the position."""
    module, x = make(parse(notation)), make_input(90)
    exact, bounded = new_state(module, 90), new_state(module, 90)
    with torch.inference_mode():
        for t in range(90):
            index = torch.tensor([t])
            a = module.step(x[:, t], exact, cursor(t))
            b = module.step(x[:, t], bounded, Cursor(index, 90, torch.arange(90) <= index))
            assert worst(a, b) <= 1e-12


@pytest.mark.parametrize("notation", DEFAULTS + VARIANTS)
def test_a_step_never_reads_the_device(notation: str) -> None:
    """Tensors on the meta device hold no data: whatever asks for it fails."""
    with torch.device("meta"):
        module = parse(notation).build(WIDTH)
    state = module.new_state(BATCH, 90, torch.device("meta"), torch.float32)
    token = torch.empty(BATCH, WIDTH, device="meta")
    index = torch.empty(1, dtype=torch.int64, device="meta")
    with torch.inference_mode():
        assert module.step(token, state, Cursor(index, 40)).shape == token.shape


@pytest.mark.parametrize("width", [64, 256, 1024])
@pytest.mark.parametrize("notation", DEFAULTS + VARIANTS)
def test_parameters_are_counted(notation: str, width: int) -> None:
    spec = parse(notation)
    with torch.device("meta"):
        module = spec.build(width)
    assert spec.parameters(width) == sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("context", [1, 3, 100, 600])
@pytest.mark.parametrize("notation", DEFAULTS + VARIANTS)
def test_state_is_counted(notation: str, context: int) -> None:
    spec = parse(notation)
    state = new_state(make(spec), context)
    assert sum(part.numel() for part in state) == BATCH * spec.state_elements(WIDTH, context)


class ContractionCounter(TorchFunctionMode):
    """Counts what FlopCounterMode leaves out: products that are summed at once but are no matrix product."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.linalg.vecdot:
            self.flops += 2 * math.prod(torch.broadcast_shapes(args[0].shape, args[1].shape))
        return func(*args, **(kwargs or {}))


def attention_flops(q: Any, k: Any, v: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    """Scores and weighted values; shapes are [B, heads, tokens, D]."""
    return 2 * math.prod(q[:3]) * k[2] * (q[3] + v[3])


def update_flops(state: Any, left: Any, right: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    """Matrix products added in place."""
    return 2 * math.prod(left) * right[2]


def counted_flops(module: Mixer, context: int) -> int:
    state = module.new_state(1, context + 1, CPU, torch.float32)
    aten = torch.ops.aten
    extra = {aten._scaled_dot_product_flash_attention_for_cpu: attention_flops, aten.baddbmm_: update_flops}
    counter = FlopCounterMode(display=False, custom_mapping=extra)
    with torch.no_grad(), ContractionCounter() as contractions, counter:
        module.step(torch.randn(1, WIDTH), state, cursor(context))
    return counter.get_total_flops() + contractions.flops


@pytest.mark.parametrize("context", [0, 3, 100])
@pytest.mark.parametrize("notation", DEFAULTS + VARIANTS)
def test_flops_are_counted(notation: str, context: int) -> None:
    spec = parse(notation)
    assert spec.flops(WIDTH, context) == counted_flops(make(spec, dtype=torch.float32), context)


@pytest.mark.parametrize("notation", DEFAULTS + VARIANTS)
def test_spec_round_trips(notation: str) -> None:
    spec = parse(notation)
    assert type(spec).model_validate(spec.model_dump(mode="json", by_alias=True)) == spec
    assert parse_operators(format_operators((spec,))) == (spec,)
    assert parse(spec.notation) == spec
    assert hash(parse(spec.notation)) == hash(spec)


@pytest.mark.parametrize("code", DEFAULTS)
def test_codes_and_titles(code: str) -> None:
    spec = operator_types()[code]
    assert spec.code == code
    assert spec.title


@pytest.mark.parametrize("notation", DEFAULTS + VARIANTS)
def test_fresh_weights_depend_on_the_seed_alone(notation: str) -> None:
    spec = parse(notation)
    weights = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        weights.append(torch.cat([p.detach().flatten() for p in spec.build(WIDTH).parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("notation", DEFAULTS)
def test_residual_weights_write_to_the_stream(notation: str) -> None:
    """With these weights at zero an operator adds nothing: they are all that a network has to scale down."""
    module = make(parse(notation))
    assert module.residual_weights()
    with torch.no_grad():
        for weight in module.residual_weights():
            weight.zero_()
        assert module(make_input(10)).abs().max() == 0
