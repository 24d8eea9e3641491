"""Mamba's selective scan against a plain loop, its fresh weights, and options that it cannot have."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from nas_search.errors import InputError
from nas_search.space.architecture import Architecture
from nas_search.space.operators.mamba.module import MambaModule
from nas_search.space.operators.mamba.scan import CACHED_ELEMENTS, LONGEST, SHORTEST, selective_scan
from nas_search.space.operators.mamba.spec import Mamba
from nas_search.space.operators.ssm_init import DT_RANGE

# Logarithms of step sizes, to base 10; rates are 1 to N.
STEP_SIZES = {"tiny": (-6, -3), "published": (-3, -1), "strong": (0, 2), "mixed": (-6, 3)}
Scanned = tuple[Tensor, ...]


def draw(batch: int, tokens: int, channels: int, size: int, steps: str = "published") -> Scanned:
    """u, dt, a, b and c in double precision."""
    torch.manual_seed(tokens)
    low, high = STEP_SIZES[steps]
    dt = 10 ** (low + (high - low) * torch.rand(batch, tokens, channels, dtype=torch.float64))
    a = -torch.arange(1, size + 1, dtype=torch.float64) * (1 + torch.rand(channels, 1, dtype=torch.float64))
    b, c = torch.randn(2, batch, tokens, size, dtype=torch.float64).unbind(0)
    return torch.randn_like(dt), dt, a, b, c


def plain_scan(u: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    state, outputs = torch.zeros_like(a).expand(len(u), *a.shape), []
    for t in range(u.shape[1]):
        state = torch.exp(dt[:, t, :, None] * a) * state + (dt * u)[:, t, :, None] * b[:, t, None]
        outputs.append((state * c[:, t, None]).sum(-1))
    return torch.stack(outputs, 1), state


def assert_near(found: Tensor, wanted: Tensor, bound: float) -> None:
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() <= bound * max(wanted.abs().max().item(), 1e-3)


def assert_equals_the_loop(inputs: Scanned) -> None:
    leaves = [x.requires_grad_() for x in inputs]
    found, wanted = selective_scan(*leaves), plain_scan(*leaves)
    for ours, theirs in zip(found, wanted, strict=True):
        assert_near(ours.detach(), theirs.detach(), 1e-12)
    direction = torch.randn_like(wanted[0])
    ours, theirs = (torch.autograd.grad(y, leaves, direction, materialize_grads=True) for y, _ in (found, wanted))
    for our_gradient, their_gradient in zip(ours, theirs, strict=True):
        assert_near(our_gradient, their_gradient, 1e-11)


@pytest.mark.parametrize("steps", STEP_SIZES)
@pytest.mark.parametrize("tokens", [1, 2, LONGEST, LONGEST + 1, 3 * LONGEST + 5])
def test_the_scan_equals_the_loop(tokens: int, steps: str) -> None:
    assert_equals_the_loop(draw(2, tokens, 6, 5, steps))


@given(st.integers(1, 3), st.integers(1, 70), st.integers(1, 6), st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_sizes_are_free(batch: int, tokens: int, channels: int, size: int) -> None:
    assert_equals_the_loop(draw(batch, tokens, channels, size))


def test_large_states_go_in_short_segments() -> None:
    size = 4
    channels = CACHED_ELEMENTS // (SHORTEST * size)
    assert_equals_the_loop(draw(2, 2 * SHORTEST + 3, channels, size))


@pytest.mark.parametrize("steps", STEP_SIZES)
def test_float32_is_near_and_finite(steps: str) -> None:
    inputs = draw(2, 200, 6, 5, steps)
    leaves = [x.float().requires_grad_() for x in inputs]
    y, state = selective_scan(*leaves)
    for found, wanted in zip((y, state), plain_scan(*inputs), strict=True):
        assert (found - wanted).norm() <= 1e-5 * wanted.norm()
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(y.sum(), leaves))


def test_the_state_has_no_gradient() -> None:
    y, state = selective_scan(*(x.requires_grad_() for x in draw(1, 5, 3, 2)))
    assert y.requires_grad
    assert not state.requires_grad


def test_fresh_weights_are_those_published() -> None:
    torch.manual_seed(0)
    module = Mamba().build(128)
    assert isinstance(module, MambaModule)
    assert module.sizes == (256, 16, 8)
    rates = module.A_log.detach().exp().view(256, 16)
    torch.testing.assert_close(rates, torch.arange(1.0, 17).expand_as(rates))
    steps = functional.softplus(module.dt_proj.bias.detach()).log10()
    low, high = torch.tensor(DT_RANGE).log10()
    assert ((steps >= low - 1e-4) & (steps <= high + 1e-4)).all()
    assert abs(steps.mean() - (low + high) / 2) < 0.15
    bound = 8**-0.5
    assert 0.95 * bound < module.dt_proj.weight.abs().max() <= bound
    assert (module.D == 1).all()


@pytest.mark.parametrize("notation", ["m", "m[state=8]"])
def test_weight_decay_spares_the_rates(notation: str) -> None:
    """Only what multiplies a vector is a matrix."""
    (spec,) = Architecture.parse(f"w64 {notation}").operators
    matrices = {name for name, weight in spec.build(64).named_parameters() if weight.ndim == 2}
    assert matrices == {f"{part}.weight" for part in ("in_proj", "conv", "x_proj", "dt_proj", "out_proj")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("w64 m[dt_rank=129]", "operator 1 (m[dt_rank=129]): dt_rank=129 is above the inner width 128"),
        ("w64 m[expand=1,dt_rank=65]", "dt_rank=65 is above the inner width 64"),
        ("w64 m[dt_rank=0]", "dt_rank=0: input should be greater than 0"),
        ("w64 m[state=0]", "state=0: input should be greater than 0"),
        ("w64 m[state=4097]", "state=4097: input should be less than or equal to 4096"),
        ("w64 m[conv=65]", "conv=65: input should be less than or equal to 64"),
        ("w64 m[expand=17]", "expand=17: input should be less than or equal to 16"),
    ],
)
def test_options_that_it_cannot_have(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Architecture.parse(text)
    assert message in str(caught.value)
