"""Layers around recurrences of other packages, where there is no public layer in PyTorch.

transformers has no DeltaNet without a gate: that one is put together from the functions of its Qwen3-Next. Of gated
linear attention and RWKV-7 there are fla's naive recurrences, which stand in our layers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from reference_code import fla_naive, qwen3_next
from torch import Tensor, nn
from torch.nn import functional

from nas_search.space.operators.delta_rule.mixer import NORM_EPS
from nas_search.space.operators.deltanet.module import DeltaNetModule
from nas_search.space.operators.gla.module import GlaModule
from nas_search.space.operators.rwkv7.module import Rwkv7Module


class Peer(nn.Module, ABC):
    """A layer that computes the same as one of ours: x [B, T, C] -> [B, T, C]."""

    @abstractmethod
    def forward(self, x: Tensor, cache: Any = None) -> Tensor:
        """The tokens x after those that the cache has seen, or after none; the cache is left ready for the next."""

    @abstractmethod
    def new_cache(self) -> Any:
        """A cache that has seen no token."""


class _CachedTensors(Peer):
    """Keeps tensors by name, once there are any."""

    def new_cache(self) -> dict[str, Tensor]:
        """Nothing yet."""
        return {}


class AssembledDeltaNet(_CachedTensors):
    """Convolution and gated delta rule without decay, queries and keys normalised inside, norm."""

    def __init__(self, ours: DeltaNetModule) -> None:
        super().__init__()
        self.sizes = ours.sizes
        self.in_proj, self.out_proj, self.gain = ours.in_proj, ours.out_proj, ours.norm.weight
        self.conv_weight = nn.Parameter(ours.conv.weight.detach().T.contiguous())

    def forward(self, x: Tensor, cache: dict[str, Tensor] | None = None) -> Tensor:
        """For a sequence in chunks, for one token as a recurrence."""
        heads, _, value_dim = self.sizes
        qkv, beta = self.in_proj(x).split([self.sizes.convolved, heads], -1)
        convolved, rule = self._convolve(qkv.transpose(1, 2), cache)
        q, k, v = (part.unflatten(-1, (heads, -1)) for part in convolved.transpose(1, 2).chunk(3, -1))
        known = None if cache is None else cache.get("state")
        y, state = rule(
            q, k, v, torch.zeros_like(beta), beta.sigmoid(),
            initial_state=known, output_final_state=cache is not None, use_qk_l2norm_in_kernel=True,
        )  # fmt: skip
        if cache is not None:
            cache["state"] = state
        y = functional.rms_norm(y, (value_dim,), self.gain, NORM_EPS).flatten(2)
        projected: Tensor = self.out_proj(y)
        return projected

    def _convolve(self, x: Tensor, cache: dict[str, Tensor] | None) -> tuple[Tensor, Callable[..., Any]]:
        """The convolution of x [B, channels, T], and the rule for so many tokens."""
        if cache:
            y: Tensor = qwen3_next.causal_conv1d_update(x, cache["inputs"], self.conv_weight, activation="silu")
            return y, qwen3_next.torch_recurrent_gated_delta_rule
        if cache is not None:
            cache["inputs"] = x[..., -self.conv_weight.shape[1] :].clone()
        y = qwen3_next.causal_conv1d_fn(x, self.conv_weight, activation="silu")
        return y, qwen3_next.torch_chunk_gated_delta_rule


class NaiveGla(_CachedTensors):
    """Our layer around fla's recurrence, which scales queries."""

    def __init__(self, ours: GlaModule) -> None:
        super().__init__()
        self.ours = ours

    def forward(self, x: Tensor, cache: dict[str, Tensor] | None = None) -> Tensor:
        """A token at a time."""
        q, k, v, gate, log_decay = self.ours._project(x)
        known = None if cache is None else cache.get("state")
        y, state = fla_naive("gla").naive_recurrent_gla(q, k, v, log_decay, known, cache is not None)
        if cache is not None:
            cache["state"] = state
        y = functional.rms_norm(y, y.shape[-1:], self.ours.norm.weight, NORM_EPS).flatten(2)
        projected: Tensor = self.ours.out_proj(y * functional.silu(gate))
        return projected


class NaiveRwkv7(_CachedTensors):
    """Our layer around fla's recurrence. For heads of 32, which these widths have, its chunks are slower."""

    def __init__(self, ours: Rwkv7Module) -> None:
        super().__init__()
        self.ours = ours

    def forward(self, x: Tensor, cache: dict[str, Tensor] | None = None) -> Tensor:
        """A token at a time, heads before tokens; the scale of their queries is undone."""
        kept = {} if cache is None else cache
        before = kept.get("token", torch.zeros_like(x[:, :1]))
        tokens, gate = self.ours._tokens(x, torch.cat((before, x[:, :-1]), 1))
        r, log_decay, k, v, a, b = (part.transpose(1, 2) for part in tokens)
        recurrence = fla_naive("generalized_delta_rule/dplr").dplr_recurrence
        y, state = recurrence(r * self.ours.head_dim**0.5, k, v, a, b, log_decay, kept.get("state"))
        kept.update(state=state, token=x[:, -1:])
        return self.ours._read_out(y.transpose(1, 2), tokens, gate)
