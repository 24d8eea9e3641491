"""The fused kernels without a GPU: run by Triton's interpreter, or compiled for one and not run."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

PACKAGE = "nas_search.space.kernels.fused"


@contextmanager
def fresh_modules() -> Iterator[None]:
    """Inside, the kernels' modules are imported anew: what this process has compiled for its GPU stays as it is."""
    parent = importlib.import_module(PACKAGE.rpartition(".")[0])
    package = importlib.import_module(PACKAGE)
    kept = _forget()
    try:
        yield
    finally:
        _forget()
        sys.modules.update(kept)
        parent.fused = package  # type: ignore[attr-defined]


def _forget() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name == PACKAGE or name.startswith(f"{PACKAGE}.")]
    return {name: sys.modules.pop(name) for name in names}


@pytest.fixture(scope="module")
def interpreted() -> Iterator[ModuleType]:
    """The module of layer steps, whose kernels Triton's interpreter runs on CPU tensors."""
    triton = pytest.importorskip("triton", reason="the interpreter comes with Triton")
    with _language_as_it_is(triton.language), pytest.MonkeyPatch.context() as patch, fresh_modules():
        _interpret_standard_functions(triton, patch)
        with pytest.MonkeyPatch.context() as variables:
            # Triton looks at it when a kernel is decorated.
            variables.setenv("TRITON_INTERPRET", "1")
            layers = importlib.import_module(f"{PACKAGE}.layers")
        # The interpreter takes its time for each program: few and large ones, but more than one on every axis.
        blocks = importlib.import_module(f"{PACKAGE}.blocks")
        for name, value in {"ENOUGH_PROGRAMS": 2, "MOST_ROWS": 64, "MOST_VECTORS": 2, "LONGEST_COLUMNS": 64}.items():
            patch.setattr(blocks, name, value)
        patch.setattr(blocks, "MOST_PRODUCTS_PER_THREAD", 1 << 20)
        yield layers


@contextmanager
def _language_as_it_is(language: Any) -> Iterator[None]:
    """The interpreter leaves functions of its own in Triton's language, which the compiler does not understand."""
    core = language.core
    places = (language, core, language.math, core.tensor, core.tensor_descriptor_base, core.dtype)
    before = [(place, dict(vars(place))) for place in places]
    yield
    for place, kept in before:
        now = dict(vars(place))
        for name in now.keys() - kept.keys():
            delattr(place, name)
        for name, value in kept.items():
            if now.get(name) is not value:
                setattr(place, name, value)


def _interpret_standard_functions(triton: Any, patch: pytest.MonkeyPatch) -> None:
    """``tl.sum`` and others are kernels too, decorated when Triton was imported."""
    from triton.runtime.interpreter import InterpretedFunction

    # What Triton imports at its first launch expects the standard functions as they were.
    triton.runtime.jit.mangle_type(0)
    language = triton.language
    for name, function in vars(language.standard).copy().items():
        if isinstance(function, triton.JITFunction):
            run = InterpretedFunction(function.fn)
            patch.setattr(language.standard, name, run)
            if getattr(language, name, None) is function:
                patch.setattr(language, name, run)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[tuple[ModuleType, list[Any]]]:
    """The module of layer steps, whose launches compile for an H100 and run nothing; and what they have compiled."""
    triton = pytest.importorskip("triton", reason="the compiler is Triton's")
    kernels: list[Any] = []
    launch = triton.JITFunction.run

    def compile_only(kernel: Any, *args: Any, grid: Any, warmup: bool, **options: Any) -> None:
        kernels.append(launch(kernel, *args, grid=grid, warmup=True, **options))

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(triton.JITFunction, "run", compile_only)
    monkeypatch.setattr(importlib.import_module("triton.runtime.jit"), "driver", SimpleNamespace(active=_NoGPU()))
    with fresh_modules():
        yield importlib.import_module(f"{PACKAGE}.layers"), kernels


class _NoGPU:
    """As much of a driver as the compiler asks for."""

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0

    def get_current_target(self) -> Any:
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", 90, 32)
