"""Which implementation of an operation runs: ours in PyTorch, or a faster kernel of another package.

An *operation* is what operators ask for: causal attention, a scan, the update by one token. It has one portable
implementation and, for CUDA, kernels of other packages, the fastest first. On a CPU the portable one always runs,
and nothing else is imported. On CUDA the first kernel runs that can be imported and takes the call; if that is not
the fastest, a :class:`KernelFallbackWarning` says so once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple

import torch

from nas_search.space.kernels.portable import PortableOperation
from nas_search.space.kernels.precision import HALF, number_format

Phase = Literal["training", "prefill", "decode"]

PORTABLE = "PyTorch"
ACCELERATED = "cuda"


class KernelFallbackWarning(UserWarning):
    """An operation runs on a GPU, but not with its fastest kernel."""


def takes_all(*inputs: Any) -> str | None:
    """Refuses no call."""
    return None


def trains_everywhere() -> None:
    """Knows no machine without a gradient."""


@dataclass(frozen=True, eq=False)
class Kernel:
    """One kernel of another package, told by the ``name`` of the function that is called.

    ``package`` is the distribution to install. ``load`` imports exactly what a call needs and returns a function
    with the signature of the portable one; whatever it raises is the reason why the kernel cannot run.
    ``formats`` are the number formats that it takes, ``refuses`` says why it does not take a call's inputs, or None.
    Whatever ``check_gradient`` raises is the reason why no gradient goes through the kernel on this machine.
    """

    name: str
    package: str
    load: Callable[[], Callable[..., Any]]
    formats: frozenset[torch.dtype] = HALF
    refuses: Callable[..., str | None] = takes_all
    check_gradient: Callable[[], None] = trains_everywhere

    @property
    def title(self) -> str:
        """Package and function, for people."""
        return f"{self.package} {self.name}"

    def refusal(
        self, dtype: torch.dtype | None, inputs: Sequence[Any] | None = None, *, gradient: bool = False
    ) -> str | None:
        """Why this kernel does not run, as far as format and inputs are known; None if it does."""
        loaded = _loaded(self)
        if isinstance(loaded, str):
            return loaded
        if dtype is not None and dtype not in self.formats:
            return f"it does not take {format_name(dtype)}"
        if gradient and (reason := _untrained(self)):
            return reason
        return None if inputs is None else self.refuses(*inputs)


class Choice(NamedTuple):
    """What runs, and why each faster kernel does not: reasons by title, the fastest first."""

    kernel: str
    refused: dict[str, str]


@dataclass(frozen=True, eq=False)
class Operation(PortableOperation):
    """What operators ask for, and who can do it.

    ``portable`` is ours; ``faster`` are kernels for CUDA, the fastest first. All of them are called alike.
    """

    faster: tuple[Kernel, ...] = ()

    def on(self, device: torch.device) -> Callable[..., Any]:
        """The implementation for tensors on ``device``: decided once, so this is a look-up."""
        return _implementation(self, device)

    def choice(self, device_type: str, dtype: torch.dtype | None = None, *, gradient: bool = False) -> Choice:
        """What runs on such devices, as far as it does not depend on sizes; without ``dtype`` nor on the format.

        With ``gradient`` what runs in training.
        """
        kernel, refused = _choose(self.faster if device_type == ACCELERATED else (), dtype, gradient=gradient)
        return Choice(PORTABLE if kernel is None else kernel.title, refused)


@cache
def _implementation(operation: Operation, device: torch.device) -> Callable[..., Any]:
    fallback = operation.in_any_format
    # By device, not by its type: asking a device for its type takes longer than everything else here.
    if device.type != ACCELERATED:
        return fallback

    def run(*inputs: Any) -> Any:
        gradient = torch.is_grad_enabled()
        kernel, refused = _choose(operation.faster, number_format(*inputs), inputs, gradient=gradient)
        if refused:
            _warn(operation.name, PORTABLE if kernel is None else kernel.title, tuple(refused.items()))
        return fallback(*inputs) if kernel is None else _loaded(kernel)(*inputs)  # type: ignore[operator]

    return run


def _choose(
    kernels: Sequence[Kernel], dtype: torch.dtype | None, inputs: Sequence[Any] | None = None, *, gradient: bool
) -> tuple[Kernel | None, dict[str, str]]:
    """The first kernel that runs, None if there is none, and why each before it does not."""
    refused: dict[str, str] = {}
    for kernel in kernels:
        reason = kernel.refusal(dtype, inputs, gradient=gradient)
        if reason is None:
            return kernel, refused
        refused[kernel.title] = reason
    return None, refused


@cache
def _loaded(kernel: Kernel) -> Callable[..., Any] | str:
    """The kernel's function, or in one line why there is none."""
    try:
        return kernel.load()
    except Exception as error:
        # Compiled packages fail in many ways: missing, built for another torch, no driver. All mean the same here.
        return _in_one_line(error)


@cache
def _untrained(kernel: Kernel) -> str | None:
    """In one line why no gradient goes through the kernel, or None."""
    try:
        kernel.check_gradient()
    except Exception as error:
        return _in_one_line(error)
    return None


def _in_one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or "no reason given"
    return text if isinstance(error, ImportError) else f"{type(error).__name__}: {text}"


@cache
def _warn(operation: str, runs: str, refused: tuple[tuple[str, str], ...]) -> None:
    reasons = "; ".join(f"{title}: {reason}" for title, reason in refused)
    message = f"{operation} on a GPU: {runs} runs, since a faster kernel does not ({reasons})"
    warnings.warn(message, KernelFallbackWarning, stacklevel=4)


def by_phase(sequence: tuple[Operation, ...], token: tuple[Operation, ...]) -> dict[Phase, tuple[Operation, ...]]:
    """The operations of an operator that does the same on a whole sequence in training and in prefill."""
    return {"training": sequence, "prefill": sequence, "decode": token}


def format_name(dtype: torch.dtype) -> str:
    """``float32`` for torch.float32."""
    return str(dtype).removeprefix("torch.")
