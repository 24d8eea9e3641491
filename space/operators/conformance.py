"""What every operator must satisfy, as functions that return how far it is from that.

:class:`nas_search.space.operators.testing.OperatorConformance` asserts the bounds below in tests, and
``experiments/conformance/table.py`` prints the errors. Everything runs on a CPU, at one small width.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from nas_search.space.notation import format_operators, parse_operator, parse_operators
from nas_search.space.operators.base import OperatorSpec
from nas_search.space.operators.flop_count import counted_flops
from nas_search.space.operators.module import Cursor, Mixer, State, StateFormat

WIDTH = 64
BATCH = 2
# One token, and one less, as many and one more than the chunks that implementations use; no common multiple.
LENGTHS = (1, 2, 31, 32, 33, 63, 64, 65, 100)
LONG = 520
PROMPTS = (1, 2, 31, 64, 70)
WIDTHS = (64, 256, 1024)
STATE_CONTEXTS = (1, 3, 100, 600)
FLOP_CONTEXTS = (0, 3, 100)

EQUAL = 1e-10
"""Bound for float64 results that take different ways to the same values."""
SAME = 1e-12
"""Bound for float64 results that take the same way."""
STEP_FLOAT32 = 1e-6
"""Bound for steps against the whole sequence in float32."""
FLOAT32 = 1e-3
"""Bound for float32 against float64, saturated gates included."""
HALF = 3e-2
"""Bound for bfloat16, which has eight bits, against float32."""
STEP_HALF = 5e-3
"""Bound for steps against the whole sequence in bfloat16; the delta rule with its memory in it too is above."""


class Regime(NamedTuple):
    """How weights and inputs are made: scale of the weights, spread of the tokens around one common vector."""

    scale: float
    spread: float | None


# Large weights saturate every gate (decays of exp(-100) beside none at all, beta at 0 and 1); tokens that resemble
# each other make keys nearly collinear.
REGIMES = {"plain": Regime(1.0, None), "saturated": Regime(30.0, None), "alike": Regime(10.0, 1e-2)}


class ReferenceErrors(NamedTuple):
    """Errors of a module against its reference: of outputs, and of gradients by input and by weights."""

    output: float
    input_gradient: float
    weight_gradient: float


class StateMiscount(NamedTuple):
    """Wrong numbers of recurrent memory, and of what is kept in the format of caches."""

    memory: int
    cache: int


def reference_errors(spec: OperatorSpec, length: int, regime: str = "plain") -> ReferenceErrors:
    """Forward and gradients against the recurrence, in float64, relative to the largest element of each tensor."""
    module, reference = _make(spec, regime), spec.reference()
    x = _make_input(length, regime).requires_grad_()
    inputs = [x, *module.parameters()]
    actual, expected = module(x), reference(module, x)
    gradient = torch.randn(expected.shape, dtype=expected.dtype, generator=torch.Generator().manual_seed(1))
    ours = torch.autograd.grad(actual, inputs, gradient)
    theirs = torch.autograd.grad(expected, inputs, gradient)
    # A gradient that is zero but for rounding has no scale of its own.
    least = 1e-4 * worst(_largest(g) for g in theirs)
    by_input, *by_weight = (_deviation(a, b, least) for a, b in zip(ours, theirs, strict=True))
    return ReferenceErrors(_deviation(actual.detach(), expected.detach()), by_input, worst(by_weight))


def step_error(spec: OperatorSpec, length: int, regime: str = "plain", dtype: torch.dtype = torch.float64) -> float:
    """Token by token against the whole sequence: the largest deviation, or in float32 that of the norm."""
    module, x = _make(spec, regime, dtype), _make_input(length, regime, dtype)
    with torch.inference_mode():
        whole = module(x)
    steps = _decode(module, x, _new_state(module, x))
    return _deviation(steps, whole) if dtype == torch.float64 else _norm_deviation(steps, whole)


def float32_error(spec: OperatorSpec, regime: str = "plain") -> float:
    """Outputs in float32 against float64, by norm; infinite if a float32 gradient is missing or not finite."""
    module, x = _make(spec, regime), _make_input(100, regime)
    narrow = copy.deepcopy(module).float()
    y = narrow(x.float().requires_grad_())
    y.sum().backward()
    if not all(p.grad is not None and p.grad.isfinite().all() for p in narrow.parameters()):
        return torch.inf
    return _norm_deviation(y.detach().double(), module(x).detach())


def half_error(spec: OperatorSpec) -> float:
    """Outputs in bfloat16, weights included, against float32, by norm."""
    module, x = _make(spec, dtype=torch.float32), _make_input(100, dtype=torch.bfloat16)
    with torch.inference_mode():
        narrow = copy.deepcopy(module).bfloat16()(x)
        return _norm_deviation(narrow.float(), module(x.float()))


def half_step_error(spec: OperatorSpec, prompt: int = 0) -> float:
    """A prompt, if there is one, then token by token in bfloat16, against the whole sequence, by norm."""
    module, x = _make(spec, dtype=torch.bfloat16), _make_input(100, dtype=torch.bfloat16)
    state = _new_state(module, x)
    with torch.inference_mode():
        whole = module(x)
        head = module(x[:, :prompt], state) if prompt else x[:, :0]
    steps = torch.cat((head, _decode(module, x, state, start=prompt)), 1)
    return _norm_deviation(steps.float(), whole.float())


def prefill_error(spec: OperatorSpec, prompt: int) -> float:
    """A prompt as a whole, the rest token by token from the state that it leaves, against the whole sequence."""
    module, x = _make(spec), _make_input(90)
    state = _new_state(module, x)
    with torch.inference_mode():
        whole = module(x)
        head = module(x[:, :prompt], state)
    tail = _decode(module, x, state, start=prompt)
    return worst((_deviation(head, whole[:, :prompt]), _deviation(tail, whole[:, prompt:])))


def reused_state_error(spec: OperatorSpec) -> float:
    """How much outputs after a prompt depend on what the state held before it."""
    module, x = _make(spec), _make_input(50)
    fresh, used = _new_state(module, x), _new_state(module, x)
    _decode(module, _make_input(49), used)
    with torch.inference_mode():
        module(x[:, :2], fresh)
        module(x[:, :2], used)
    return _largest(_decode(module, x, used, start=2) - _decode(module, x, fresh, start=2))


def causality_error(spec: OperatorSpec) -> float:
    """How much outputs change with the tokens after them."""
    module, x = _make(spec), _make_input(100)
    errors = []
    with torch.inference_mode():
        before = module(x)
        for position in (1, 50, 64, 99):
            changed = x.clone()
            changed[:, position:] = torch.randn_like(changed[:, position:])
            errors.append(_deviation(module(changed)[:, :position], before[:, :position]))
    return worst(errors)


def masked_step_error(spec: OperatorSpec) -> float:
    """Steps that read up to a bound under a mask, as in a captured CUDA graph, against steps that know the length."""
    length = 90
    module, x = _make(spec), _make_input(length)
    exact, bounded = _new_state(module, x), _new_state(module, x)
    errors = []
    with torch.inference_mode():
        for t in range(length):
            index = torch.tensor([t])
            a = module.step(x[:, t], exact, _cursor(t))
            b = module.step(x[:, t], bounded, Cursor(index, length, torch.arange(length) <= index))
            errors.append(_deviation(a, b))
    return worst(errors)


def mixes_tokens(spec: OperatorSpec) -> bool:
    """Whether a token reaches the outputs of those after it."""
    module, x = _make(spec), _make_input(10)
    changed = x.clone()
    changed[:, 0] += 1
    with torch.inference_mode():
        return not torch.equal(module(changed)[:, 1:], module(x)[:, 1:])


def steps_without_data(spec: OperatorSpec) -> bool:
    """Whether a step gives its token's shape on the meta device, whose tensors hold no data: reading them raises."""
    meta = torch.device("meta")
    with meta:
        module = spec.build(WIDTH)
    token = torch.empty(BATCH, WIDTH, device=meta)
    cursor = Cursor(torch.empty(1, dtype=torch.int64, device=meta), 40)
    with torch.inference_mode():
        return module.step(token, module.new_state(BATCH, 90, StateFormat.like(token)), cursor).shape == token.shape


def parameter_miscount(spec: OperatorSpec, width: int) -> int:
    """Parameters that the spec says, less those that the module has."""
    with torch.device("meta"):
        module = spec.build(width)
    return spec.parameters(width) - sum(p.numel() for p in module.parameters())


def state_miscount(spec: OperatorSpec, context: int) -> StateMiscount:
    """Numbers of state that the spec says, less those that the module keeps in either format, over a batch."""
    form = StateFormat(torch.device("cpu"), cache=torch.float32, memory=torch.float64)
    kept: Counter[torch.dtype] = Counter()
    for part in _make(spec).new_state(BATCH, context, form):
        kept[part.dtype] += part.numel()
    memory, whole = BATCH * spec.memory_elements(WIDTH), BATCH * spec.state_elements(WIDTH, context)
    return StateMiscount(memory - kept[form.memory], whole - memory - kept[form.cache])


def flop_miscount(spec: OperatorSpec, context: int) -> int:
    """FLOPs of a token that the spec says, less those that a step does."""
    return spec.flops(WIDTH, context) - counted_flops(_make(spec, dtype=torch.float32), WIDTH, context)


def residual_leak(spec: OperatorSpec) -> float:
    """The largest output when ``residual_weights`` are zero, which must be all that a network has to scale down.

    Infinite if there are none.
    """
    module = _make(spec)
    if not module.residual_weights():
        return torch.inf
    with torch.no_grad():
        for weight in module.residual_weights():
            weight.zero_()
        return _largest(module(_make_input(10)))


def lost_forms(spec: OperatorSpec) -> list[str]:
    """The written forms that do not give the spec back."""
    read_back = {
        "notation": parse_operator(spec.notation),
        "sequence": parse_operators(format_operators((spec,)))[0],
        "JSON": type(spec).model_validate(spec.model_dump(mode="json", by_alias=True)),
    }
    return [form for form, read in read_back.items() if read != spec or hash(read) != hash(spec)]


def fresh_weights(spec: OperatorSpec, seed: int) -> Tensor:
    """All weights of a new module, flat, after ``torch.manual_seed``."""
    torch.manual_seed(seed)
    return torch.cat([p.detach().flatten() for p in spec.build(WIDTH).parameters()])


def worst(errors: Iterable[float]) -> float:
    """The largest error, or NaN if one is NaN; 0 if there is none."""
    return torch.tensor([0.0, *errors], dtype=torch.float64).max().item()


def _make(spec: OperatorSpec, regime: str = "plain", dtype: torch.dtype = torch.float64) -> Mixer:
    spec.check(WIDTH)
    torch.manual_seed(0)
    module = spec.build(WIDTH).to(dtype)
    with torch.no_grad():
        for weight in module.parameters():
            # Gains, biases and rates must matter too: no parameter stays at a value that hides it.
            weight.mul_(REGIMES[regime].scale if weight.dim() > 1 else 1).add_(0.1 * torch.randn_like(weight))
    return module


def _make_input(length: int, regime: str = "plain", dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(length)
    x = torch.randn(BATCH, length, WIDTH, generator=generator, dtype=torch.float64)
    spread = REGIMES[regime].spread
    if spread is not None:
        x = torch.randn(BATCH, 1, WIDTH, generator=generator, dtype=torch.float64) + spread * x
    return x.to(dtype)


def _new_state(module: Mixer, x: Tensor) -> State:
    return module.new_state(len(x), x.shape[1], StateFormat.like(x))


def _cursor(position: int) -> Cursor:
    return Cursor(torch.tensor([position]), position + 1)


def _decode(module: Mixer, x: Tensor, state: State, start: int = 0) -> Tensor:
    with torch.inference_mode():
        return torch.stack([module.step(x[:, t], state, _cursor(t)) for t in range(start, x.shape[1])], 1)


def _largest(x: Tensor) -> float:
    return x.abs().max().item()


def _size(x: Tensor) -> float:
    return float(torch.linalg.vector_norm(x))


def _deviation(actual: Tensor, expected: Tensor, least: float = 0.0) -> float:
    """The largest difference over the largest expected element, or over ``least`` if that is larger."""
    if actual.shape != expected.shape:
        return torch.inf
    return _largest(actual - expected) / max(_largest(expected), least, 1e-30)


def _norm_deviation(actual: Tensor, expected: Tensor) -> float:
    return _size(actual - expected) / max(_size(expected), 1e-30)
