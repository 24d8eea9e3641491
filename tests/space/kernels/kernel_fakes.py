"""Kernel packages as their documentation describes them: plain loops, and as strict about what they are given."""

import math
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class FakePackages:
    """One function for each kernel that we call; every call is recorded under the function's name."""

    def __init__(self) -> None:
        self.calls: dict[str, list[dict[str, Any]]] = {}

    def modules(self) -> dict[str, ModuleType]:
        """What goes into ``sys.modules``."""
        places: dict[str, tuple[Callable[..., Any], ...]] = {
            "flash_attn": (flash_attn_func, flash_attn_with_kvcache),
            "causal_conv1d": (causal_conv1d_fn, causal_conv1d_update),
            "selective_scan_cuda": (),
            "mamba_ssm.ops.selective_scan_interface": (selective_scan_fn,),
            "mamba_ssm.ops.triton.ssd_combined": (mamba_chunk_scan_combined,),
            "mamba_ssm.ops.triton.selective_state_update": (selective_state_update,),
            "fla.ops.delta_rule": (chunk_delta_rule,),
            "fla.ops.gated_delta_rule": (chunk_gated_delta_rule, fused_recurrent_gated_delta_rule),
            "fla.ops.gla": (chunk_gla, fused_recurrent_gla),
            "fla.ops.rwkv7": (chunk_rwkv7, fused_recurrent_rwkv7),
        }
        modules = {}
        for name, functions in places.items():
            modules[name] = ModuleType(name)
            for function in functions:
                setattr(modules[name], function.__name__, self._recorded(function))
        return modules | _machine()

    def _recorded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.setdefault(function.__name__, []).append(kwargs)
            return function(*args, **kwargs)

        return call


def _machine() -> dict[str, ModuleType]:
    """What flash-linear-attention knows about this machine: nothing special."""
    utils, backends = ModuleType("fla.utils"), ModuleType("fla.ops.common.backends")
    vars(utils).update(IS_NVIDIA_HOPPER=False, TRITON_ABOVE_3_4_0=True, TRITON_ABOVE_3_7_1=False)
    vars(backends).update(CommonTileLangBackend=SimpleNamespace(can_use=lambda: False))
    return {module.__name__: module for module in (utils, backends)}


def flash_attn_func(
    q: Tensor, k: Tensor, v: Tensor, *, causal: bool = False, window_size: tuple[int, int] = (-1, -1)
) -> Tensor:
    """q [B, T, heads, D], k and v [B, T, kv_heads, D]; a window is what is seen to the left and to the right."""
    assert q.dtype == k.dtype == v.dtype
    assert q.stride(-1) == k.stride(-1) == v.stride(-1) == 1
    tokens = torch.arange(q.shape[1])
    distance = tokens[:, None] - tokens
    seen = torch.ones_like(distance, dtype=torch.bool)
    if causal:
        seen &= distance >= 0
    if window_size[0] >= 0:
        seen &= distance <= window_size[0]
    if window_size[1] >= 0:
        seen &= distance >= -window_size[1]
    group = q.shape[2] // k.shape[2]
    scores = torch.einsum("bihd,bjhd->bhij", q, k.repeat_interleave(group, 2)) / math.sqrt(q.shape[-1])
    weights = scores.masked_fill(~seen, -math.inf).softmax(-1)
    return torch.einsum("bhij,bjhd->bihd", weights, v.repeat_interleave(group, 2))


def flash_attn_with_kvcache(q: Tensor, k_cache: Tensor, v_cache: Tensor, *, cache_seqlens: Tensor) -> Tensor:
    """q [B, 1, heads, D], caches [B, slots, kv_heads, D], of which each sequence has its own number of valid slots."""
    assert cache_seqlens.dtype == torch.int32
    assert cache_seqlens.is_contiguous()
    assert cache_seqlens.shape == q.shape[:1]
    assert k_cache.stride(-1) == v_cache.stride(-1) == 1
    rows = []
    for row, valid in enumerate(cache_seqlens.tolist()):
        assert 0 < valid <= k_cache.shape[1]
        one = slice(row, row + 1)
        rows.append(flash_attn_func(q[one], k_cache[one, :valid], v_cache[one, :valid]))
    return torch.cat(rows)


def causal_conv1d_fn(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [B, channels, T], weight [channels, K]; with channels last in memory all in multiples of eight."""
    channels, taps = weight.shape
    assert 2 <= taps <= 4
    if x.stride(1) == 1 and x.stride(2) > 1:
        assert channels % 8 == x.stride(0) % 8 == x.stride(2) % 8 == x.storage_offset() % 8 == 0
    else:
        assert x.stride(2) == 1
    y = functional.conv1d(x, weight.unsqueeze(1), bias, padding=taps - 1, groups=channels)
    return y[..., : x.shape[-1]]


def causal_conv1d_update(x: Tensor, conv_state: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [B, channels], conv_state [B, channels, >= K - 1] is shifted in place."""
    assert 2 <= weight.shape[1] <= 4
    assert conv_state.dtype == x.dtype
    window = torch.cat((conv_state, x.unsqueeze(-1)), -1)
    conv_state.copy_(window[..., 1:])
    y = (window[..., -weight.shape[1] :] * weight).sum(-1)
    return y if bias is None else y + bias


def selective_scan_fn(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, *, return_last_state: bool = False
) -> Any:
    """u, delta [B, I, T], A [I, N] in float32, B, C [B, N, T]."""
    assert u.dtype == delta.dtype == B.dtype == C.dtype
    assert A.dtype == torch.float32
    state, outputs = u.new_zeros(*u.shape[:2], A.shape[1]), []
    for t in range(u.shape[2]):
        decay = torch.exp(delta[:, :, t, None] * A)
        state = decay * state + (delta[:, :, t] * u[:, :, t]).unsqueeze(-1) * B[:, None, :, t]
        outputs.append((state * C[:, None, :, t]).sum(-1))
    y = torch.stack(outputs, -1)
    return (y, state) if return_last_state else y


def mamba_chunk_scan_combined(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, chunk_size: int, *,
    D: Tensor | None = None, dt_bias: Tensor | None = None, dt_softplus: bool = False,
    return_final_states: bool = False,
) -> Any:  # fmt: skip
    """x [B, T, H, P], dt [B, T, H], A [H], B, C [B, T, G, N]; the state is [B, H, P, N]."""
    assert x.dtype == B.dtype == C.dtype
    assert chunk_size.bit_count() == 1
    state, outputs = x.new_zeros(*x[:, 0].shape, B.shape[-1]), []
    bias, passed = (x.new_zeros(len(A)) if part is None else part for part in (dt_bias, D))
    for t in range(x.shape[1]):
        rate = functional.softplus(dt[:, t] + bias) if dt_softplus else dt[:, t] + bias
        state, y = _state_space_token(state, x[:, t], rate.unsqueeze(-1), A.view(-1, 1, 1), B[:, t], C[:, t])
        outputs.append(y + passed.unsqueeze(-1) * x[:, t])
    out = torch.stack(outputs, 1)
    return (out, state) if return_final_states else out


def selective_state_update(
    state: Tensor, x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, *,
    D: Tensor, dt_bias: Tensor, dt_softplus: bool = False,
) -> Tensor:  # fmt: skip
    """state [B, H, P, N] in place, x and dt [B, H, P], A [H, P, N], B and C [B, G, N], D and dt_bias [H, P].

    Without heads, H and G are left out everywhere.
    """
    if state.dim() == 3:
        one = selective_state_update(
            state.unsqueeze(1), x.unsqueeze(1), dt.unsqueeze(1), A.unsqueeze(0), B.unsqueeze(1), C.unsqueeze(1),
            D=D.unsqueeze(0), dt_bias=dt_bias.unsqueeze(0), dt_softplus=dt_softplus,
        )  # fmt: skip
        return one.squeeze(1)
    batch, heads, channels, size = state.shape
    assert x.shape == dt.shape == (batch, heads, channels)
    assert A.shape == (heads, channels, size)
    assert B.shape == C.shape == (batch, B.shape[1], size)
    assert D.shape == dt_bias.shape == (heads, channels)
    given = x.dtype
    if given == torch.bfloat16:
        x, dt = x.float(), dt.float()
    rate = functional.softplus(dt + dt_bias) if dt_softplus else dt + dt_bias
    new, y = _state_space_token(state, x, rate, A, B, C)
    state.copy_(new)
    return (y + D * x).to(given)


def _state_space_token(
    state: Tensor, x: Tensor, rate: Tensor, a: Tensor, b: Tensor, c: Tensor
) -> tuple[Tensor, Tensor]:
    """The state after one token, and what it reads."""
    b, c = (part.repeat_interleave(x.shape[1] // part.shape[1], 1).unsqueeze(2) for part in (b, c))
    state = torch.exp(rate.unsqueeze(-1) * a) * state + (rate * x).unsqueeze(-1) * b
    return state, (state * c).sum(-1)


def chunk_delta_rule(
    q: Tensor, k: Tensor, v: Tensor, beta: Tensor, scale: float | None = None, output_final_state: bool = False
) -> Any:
    """q, k [B, T, H, K], v [B, T, H, V], beta [B, T, H]."""
    return _linear_memory(q, k, v, beta=beta, scale=scale, output_final_state=output_final_state)


def chunk_gated_delta_rule(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor,
    beta: Tensor,
    scale: float | None = None,
    output_final_state: bool = False,
) -> Any:
    """As above with log decays g [B, T, H]."""
    g = g.unsqueeze(-1)
    return _linear_memory(q, k, v, beta=beta, gk=g, scale=scale, output_final_state=output_final_state)


def fused_recurrent_gated_delta_rule(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor | None = None, beta: Tensor | None = None, *,
    scale: float | None = None, initial_state: Tensor | None = None, output_final_state: bool = False,
) -> Any:  # fmt: skip
    """As above; without g nothing decays."""
    gk = None if g is None else g.unsqueeze(-1)
    return _linear_memory(
        q, k, v, beta=beta, gk=gk, scale=scale, initial_state=initial_state, output_final_state=output_final_state
    )


def chunk_gla(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor, scale: float | None = None, output_final_state: bool = False
) -> Any:
    """q, k and log decays g [B, T, H, K], v [B, T, H, V]."""
    assert q.shape == k.shape == g.shape
    assert v.shape[-1] > 8
    return _linear_memory(q, k, v, gk=g, scale=scale, output_final_state=output_final_state)


def fused_recurrent_gla(
    q: Tensor, k: Tensor, v: Tensor, gk: Tensor | None = None, *,
    scale: float | None = None, initial_state: Tensor | None = None, output_final_state: bool = False,
) -> Any:  # fmt: skip
    """As above."""
    return _linear_memory(
        q, k, v, gk=gk, scale=scale, initial_state=initial_state, output_final_state=output_final_state
    )


def chunk_rwkv7(
    r: Tensor, w: Tensor, k: Tensor, v: Tensor, a: Tensor, b: Tensor, scale: float = 1.0, *,
    output_final_state: bool = False, lower_bound: float | None = None,
) -> Any:  # fmt: skip
    """All [B, T, H, D]; w are log decays, none below the bound if there is one."""
    assert v.shape[-1] > 8
    assert lower_bound is None or w.min() >= lower_bound
    return _linear_memory(r, k, v, gk=w, ab=(a, b), scale=scale, output_final_state=output_final_state)


def fused_recurrent_rwkv7(
    r: Tensor, w: Tensor, k: Tensor, v: Tensor, a: Tensor, b: Tensor, scale: float | None = None, *,
    initial_state: Tensor | None = None, output_final_state: bool = True,
) -> Any:  # fmt: skip
    """As above, but with another default scale."""
    return _linear_memory(
        r, k, v, gk=w, ab=(a, b), scale=scale, initial_state=initial_state, output_final_state=output_final_state
    )


def _linear_memory(
    q: Tensor, k: Tensor, v: Tensor, *, beta: Tensor | None = None, gk: Tensor | None = None,
    ab: tuple[Tensor, Tensor] | None = None, scale: float | None = None, initial_state: Tensor | None = None,
    output_final_state: bool = False,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """S [B, H, K, V] decays by exp(gk), is corrected by the delta rule or by a and b, and gets k v^T."""
    assert q.dtype == k.dtype == v.dtype
    assert gk is None or gk.dtype == torch.float32
    given = q.dtype
    if given == torch.bfloat16:
        q, k, v = q.float(), k.float(), v.float()
        ab = None if ab is None else (ab[0].float(), ab[1].float())
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    state = q.new_zeros(*k[:, 0].shape, v.shape[-1]) if initial_state is None else initial_state
    outputs = []
    for t in range(q.shape[1]):
        recalled = None if ab is None else torch.einsum("bhkv,bhk->bhv", state, ab[0][:, t])
        if gk is not None:
            state = state * gk[:, t].exp().unsqueeze(-1)
        value = v[:, t]
        if beta is not None:
            value = beta[:, t].unsqueeze(-1) * (value - torch.einsum("bhkv,bhk->bhv", state, k[:, t]))
        state = state + torch.einsum("bhk,bhv->bhkv", k[:, t], value)
        if ab is not None and recalled is not None:
            state = state + torch.einsum("bhk,bhv->bhkv", ab[1][:, t], recalled)
        outputs.append(scale * torch.einsum("bhkv,bhk->bhv", state, q[:, t]))
    return torch.stack(outputs, 1).to(given), state.float() if output_final_state else None
