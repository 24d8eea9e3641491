"""Mamba and Mamba-2 through mamba-ssm and causal-conv1d."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from direct_layers.layer import Calls, ConvolvedLayer, package_function
from nas_search.space.kernels.mamba_ssm import CHUNK
from nas_search.space.operators.mamba.module import MambaModule
from nas_search.space.operators.mamba2.module import Mamba2Module
from nas_search.space.operators.module import State


class DirectMamba(ConvolvedLayer):
    """Mamba through mamba-ssm."""

    def __init__(self, ours: MambaModule, calls: Calls) -> None:
        super().__init__(ours, calls)
        self.x_proj, self.dt_proj, self.A_log, self.D = ours.x_proj, ours.dt_proj, ours.A_log, ours.D

    @cached_property
    def scan(self) -> Callable[..., Tensor]:
        """The kernel for a sequence."""
        return package_function("mamba_ssm.ops.selective_scan_interface", "selective_scan_fn")

    @cached_property
    def update(self) -> Callable[..., Tensor]:
        """The kernel for one token."""
        return package_function("mamba_ssm.ops.triton.selective_state_update", "selective_state_update")

    def forward(self, x: Tensor) -> Tensor:
        """The kernel has tokens last."""
        x, z = self.in_proj(x).chunk(2, -1)
        x = self.conv(x)
        low_rank, b, c = self._select(x)
        inputs = self._rates(), b.transpose(1, 2), c.transpose(1, 2)
        if self.calls.options:
            dt = functional.linear(low_rank, self.dt_proj.weight).transpose(1, 2)
            y = self.scan(
                x.transpose(1, 2), dt, *inputs, D=self.D.float(), z=z.transpose(1, 2),
                delta_bias=self.dt_proj.bias.float(), delta_softplus=True,
            )  # fmt: skip
            return self.out_proj(y.transpose(1, 2))
        dt = functional.softplus(self.dt_proj(low_rank)).transpose(1, 2)
        y = self.scan(x.transpose(1, 2), dt, *inputs).transpose(1, 2)
        return self.out_proj(torch.addcmul(y, x, self.D) * functional.silu(z))

    def step(self, x: Tensor, state: State, shared: None) -> Tensor:
        """The kernel always adds a bias to step sizes, and D."""
        x, z = self.in_proj(x).chunk(2, -1)
        x = self.conv.step(x, state[1])
        low_rank, b, c = self._select(x)
        dt = functional.linear(low_rank, self.dt_proj.weight)
        y = self.update(
            state[0], x, dt, self._rates(), b, c, D=self.D, z=z if self.calls.options else None,
            dt_bias=self.dt_proj.bias, dt_softplus=True,
        )  # fmt: skip
        return self.out_proj(y if self.calls.options else y * functional.silu(z))

    def _select(self, x: Tensor) -> tuple[Tensor, ...]:
        parts = (self.sizes.dt_rank, self.sizes.state, self.sizes.state)
        return self.x_proj(x).split_with_sizes(parts, -1)

    def _rates(self) -> Tensor:
        return -torch.unflatten(self.A_log.float().exp(), 0, (self.sizes.inner, -1))


class DirectMamba2(ConvolvedLayer):
    """Mamba-2 through mamba-ssm."""

    def __init__(self, ours: Mamba2Module, calls: Calls) -> None:
        super().__init__(ours, calls)
        self.dt_bias, self.A_log, self.D = ours.dt_bias, ours.A_log, ours.D
        self.gain, self.eps = ours.norm.weight, ours.norm.eps

    @cached_property
    def scan(self) -> Callable[..., Tensor]:
        """The kernel for a sequence."""
        return package_function("mamba_ssm.ops.triton.ssd_combined", "mamba_chunk_scan_combined")

    @cached_property
    def update(self) -> Callable[..., Tensor]:
        """The kernel for one token."""
        return package_function("mamba_ssm.ops.triton.selective_state_update", "selective_state_update")

    def forward(self, x: Tensor) -> Tensor:
        """The kernel has tokens before heads."""
        z, convolved, dt = self._project(x)
        x, b, c = self._by_head(self.conv(convolved))
        y = self.scan(
            x, dt, self._rates(), b, c, CHUNK, D=self.D, z=self._gate(z), dt_bias=self.dt_bias, dt_softplus=True
        )
        return self._read_out(y, z)

    def step(self, x: Tensor, state: State, shared: None) -> Tensor:
        """Strides of zero tell the kernel that a head's channels share a rate."""
        z, convolved, dt = self._project(x)
        x, b, c = self._by_head(self.conv.step(convolved, state[1]))
        per_channel = x.shape[1:]
        y = self.update(
            state[0], x, dt.unsqueeze(-1).expand_as(x), self._rates().view(-1, 1, 1).expand(state[0].shape[1:]), b, c,
            D=self.D.unsqueeze(-1).expand(per_channel), z=self._gate(z),
            dt_bias=self.dt_bias.unsqueeze(-1).expand(per_channel), dt_softplus=True,
        )  # fmt: skip
        return self._read_out(y, z)

    def _project(self, x: Tensor) -> tuple[Tensor, ...]:
        return self.in_proj(x).split_with_sizes((self.sizes.inner, self.sizes.conv_channels, self.sizes.heads), -1)

    def _by_head(self, convolved: Tensor) -> tuple[Tensor, ...]:
        shared = self.sizes.groups * self.sizes.state
        x, b, c = convolved.split_with_sizes((self.sizes.inner, shared, shared), -1)
        b, c = (torch.unflatten(part, -1, (self.sizes.groups, -1)) for part in (b, c))
        return torch.unflatten(x, -1, (self.sizes.heads, -1)), b, c

    def _rates(self) -> Tensor:
        return -self.A_log.float().exp()

    def _gate(self, z: Tensor) -> Tensor | None:
        return torch.unflatten(z, -1, (self.sizes.heads, -1)) if self.calls.options else None

    def _read_out(self, y: Tensor, z: Tensor) -> Tensor:
        y = y.flatten(-2)
        if not self.calls.options:
            y = y * functional.silu(z)
        return self.out_proj(functional.rms_norm(y, y.shape[-1:], self.gain, self.eps))
