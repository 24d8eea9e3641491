"""Which kernels operators would run on a device, told before anything runs.

What depends on sizes, such as a head that a kernel does not take, shows only when it runs, as a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel, ConfigDict

from nas_search.errors import RunError

if TYPE_CHECKING:
    from nas_search.space.operators.base import OperatorSpec


class KernelUse(BaseModel):
    """What one operation of an operator, or its whole layer, would run in one phase on one kind of device.

    ``refused`` says why each faster kernel does not run, by the kernel's title, and ``packages`` which packages those
    kernels are from. ``operation`` is None for an operator that is plain PyTorch throughout.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    operator: str
    phase: str
    operation: str | None
    kernel: str
    refused: dict[str, str]
    packages: tuple[str, ...]

    @property
    def falls_back(self) -> bool:
        """Whether something faster is known."""
        return bool(self.refused)

    @property
    def why(self) -> str:
        """The reasons against the faster kernels."""
        return "; ".join(f"{title}: {reason}" for title, reason in self.refused.items())


def kernel_uses(spec: OperatorSpec, device_type: str, dtype: str) -> list[KernelUse]:
    """What ``spec`` would run on such devices in the number format ``dtype``, phase by phase. Imports torch."""
    import torch

    from nas_search.space.kernels.registry import PORTABLE, Phase

    uses = []
    operations = spec.operations()
    for phase in get_args(Phase):
        of_phase = operations.get(phase, ())
        if not of_phase:
            uses.append(
                KernelUse(operator=spec.code, phase=phase, operation=None, kernel=PORTABLE, refused={}, packages=())
            )
        for operation in of_phase:
            gradient = phase == "training"
            kernel, refused = operation.choice(device_type, getattr(torch, dtype), gradient=gradient)
            uses.append(
                KernelUse(
                    operator=spec.code,
                    phase=phase,
                    operation=operation.name,
                    kernel=kernel,
                    refused=refused,
                    packages=tuple(dict.fromkeys(faster.package for faster in operation.faster[: len(refused)])),
                )
            )
    return uses


def layer_uses(spec: OperatorSpec, device_type: str, dtype: str) -> list[KernelUse]:
    """As :func:`kernel_uses`, and whether one token of a whole layer of ``spec`` may run fused. Imports torch."""
    return [*kernel_uses(spec, device_type, dtype), *_fused_step(spec, device_type)]


def _fused_step(spec: OperatorSpec, device_type: str) -> list[KernelUse]:
    from nas_search.space.kernels.fused.choice import FUSED, FUSED_OPERATORS, PACKAGE, PLAIN, missing_triton
    from nas_search.space.kernels.registry import ACCELERATED

    if device_type != ACCELERATED or spec.code not in FUSED_OPERATORS:
        return []
    reason = missing_triton()
    return [
        KernelUse(
            operator=spec.code,
            phase="decode",
            operation="whole layer for one token",
            kernel=PLAIN if reason else f"{FUSED}, if timed faster at a layer's first step",
            refused={FUSED: reason} if reason else {},
            packages=(PACKAGE,) if reason else (),
        )
    ]


def inference_kernels(specs: Iterable[OperatorSpec], device: str, dtype: str) -> tuple[str, ...]:
    """The names of all kernels that these operators would run in prefill and decode, each once. Imports torch."""
    uses = (use for spec in dict.fromkeys(specs) for use in kernel_uses(spec, device_kind(device), dtype))
    return tuple(dict.fromkeys(use.kernel for use in uses if use.phase != "training"))


def check_kernels(
    specs: Iterable[OperatorSpec], device: str, *, dtype: str, strict: bool, note: Callable[[str], None]
) -> None:
    """Call ``note`` with a line for each fallback on a GPU; with ``strict`` the first is a RunError.

    On a CPU there is nothing to check, and nothing is imported.
    """
    kind = device_kind(device)
    if kind == "cpu":
        return
    uses = (use for spec in dict.fromkeys(specs) for use in layer_uses(spec, kind, dtype))
    fallbacks = {fallback_line(use): use for use in uses if use.falls_back}
    if strict and fallbacks:
        raise RunError(strict_refusal(list(fallbacks.values())))
    for line in fallbacks:
        note(line)


def device_kind(device: str) -> str:
    """``cuda`` for the device ``cuda:1``."""
    return device.partition(":")[0]


def fallback_line(use: KernelUse) -> str:
    """One line: who, when, what runs, and why nothing faster."""
    return f"operator {use.operator}, {use.phase}: {use.operation} runs in {use.kernel} ({use.why})"


def strict_refusal(fallbacks: list[KernelUse]) -> str:
    """One line about the first of some fallbacks, with the packages that the faster kernels are from."""
    first = fallbacks[0]
    more = f" (and {len(fallbacks) - 1} more)" if len(fallbacks) > 1 else ""
    return (
        f"{fallback_line(first)}{more}; --strict-kernels wants {' or '.join(first.packages)}, see 'nas-search doctor'"
    )
