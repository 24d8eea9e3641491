"""Which implementation runs, and what is said about it."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from nas_search.space.kernels.precision import FLOATS, HALF
from nas_search.space.kernels.registry import Choice, Kernel, KernelFallbackWarning, Operation, by_phase

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def portable(x: Tensor) -> Tensor:
    return x + 1


def kernel(name: str, load: Callable[[], Callable[..., Any]], **fields: Any) -> Kernel:
    return Kernel(name, "package", load, **({"formats": FLOATS} | fields))


def adds(amount: float) -> Callable[[], Callable[..., Any]]:
    return lambda: lambda x: x + amount


def missing() -> Callable[..., Any]:
    raise ImportError("No module\n named 'package'")


def broken() -> Callable[..., Any]:
    raise OSError("undefined symbol")


def run(operation: Operation, x: Tensor) -> Tensor:
    y: Tensor = operation.on(CUDA)(x)
    return y


def test_a_cpu_runs_the_portable_function_and_loads_nothing() -> None:
    def load() -> Callable[..., Any]:
        pytest.fail("a CPU needs no kernel")

    operation = Operation("sum", portable, (kernel("fast", load),))
    assert operation.on(CPU)(torch.zeros(1)) == 1
    assert operation.on(torch.device("meta"))(torch.zeros(1, device="meta")).is_meta
    assert operation.choice("cpu") == Choice("PyTorch", {})


def test_the_first_kernel_that_can_be_loaded_runs() -> None:
    operation = Operation("sum", portable, (kernel("fast", adds(2)), kernel("slow", adds(3))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run(operation, torch.zeros(1)) == 2
    assert operation.choice("cuda") == Choice("package fast", {})


def test_a_kernel_that_cannot_be_loaded_is_refused_with_the_reason() -> None:
    operation = Operation("sum", portable, (kernel("a", missing), kernel("b", broken), kernel("c", adds(3))))
    refused = {"package a": "No module named 'package'", "package b": "OSError: undefined symbol"}
    assert operation.choice("cuda") == Choice("package c", refused)
    with pytest.warns(KernelFallbackWarning, match=r"sum on a GPU: package c runs.*package a: No module named"):
        assert run(operation, torch.zeros(1)) == 3


def test_without_a_kernel_the_portable_function_runs() -> None:
    operation = Operation("sum", portable, (kernel("a", missing),))
    with pytest.warns(KernelFallbackWarning, match="PyTorch runs"):
        assert run(operation, torch.zeros(1)) == 1
    assert operation.choice("cuda") == Choice("PyTorch", {"package a": "No module named 'package'"})


def test_the_same_fallback_is_told_once() -> None:
    operation = Operation("told once", portable, (kernel("a", missing),))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(3):
            run(operation, torch.zeros(1))
    assert [str(warning.message) for warning in told] == [
        "told once on a GPU: PyTorch runs, since a faster kernel does not (package a: No module named 'package')"
    ]


def test_a_fallback_is_an_error_for_those_who_want_it() -> None:
    operation = Operation("never", portable, (kernel("a", missing),))
    with warnings.catch_warnings():
        warnings.simplefilter("error", KernelFallbackWarning)
        for _ in range(2):
            with pytest.raises(KernelFallbackWarning):
                run(operation, torch.zeros(1))


def test_a_kernel_is_loaded_once() -> None:
    loads = []

    def load() -> Callable[..., Any]:
        loads.append(1)
        return portable

    operation = Operation("sum", portable, (kernel("fast", load),))
    for _ in range(3):
        run(operation, torch.zeros(1))
        operation.choice("cuda")
    assert loads == [1]


def test_an_implementation_is_decided_once() -> None:
    operation = Operation("sum", portable, (kernel("fast", adds(2)),))
    assert operation.on(CUDA) is operation.on(CUDA)
    assert operation.on(CPU) is operation.on(CPU)


def test_a_number_format_that_the_kernel_lacks_goes_to_the_next() -> None:
    operation = Operation("formats", portable, (kernel("fast", adds(2), formats=HALF),))
    assert run(operation, torch.zeros(1, dtype=torch.bfloat16)) == 2
    with pytest.warns(KernelFallbackWarning, match="package fast: it does not take float32"):
        assert run(operation, torch.zeros(1)) == 1
    assert operation.choice("cuda", torch.bfloat16).kernel == "package fast"
    assert operation.choice("cuda", torch.float32) == Choice("PyTorch", {"package fast": "it does not take float32"})


def test_inputs_that_the_kernel_refuses_go_to_the_next() -> None:
    def refuses(x: Tensor) -> str | None:
        return f"{len(x)} numbers" if len(x) > 2 else None

    operation = Operation("sizes", portable, (kernel("fast", adds(2), refuses=refuses),))
    assert run(operation, torch.zeros(2)).tolist() == [2, 2]
    with pytest.warns(KernelFallbackWarning, match="package fast: 3 numbers"):
        assert run(operation, torch.zeros(3)).tolist() == [1, 1, 1]


def test_a_kernel_without_a_gradient_runs_where_none_is_wanted() -> None:
    def check_gradient() -> None:
        raise ImportError("no backward pass")

    operation = Operation("gradients", portable, (kernel("fast", adds(2), check_gradient=check_gradient),))
    with torch.no_grad():
        assert run(operation, torch.zeros(1)) == 2
    with pytest.warns(KernelFallbackWarning, match="package fast: no backward pass"):
        assert run(operation, torch.zeros(1)) == 1
    assert operation.choice("cuda").kernel == "package fast"
    assert operation.choice("cuda", gradient=True) == Choice("PyTorch", {"package fast": "no backward pass"})


@pytest.mark.parametrize("device", [CPU, CUDA])
@pytest.mark.parametrize(("half", "computed"), [(False, torch.float32), (True, torch.bfloat16)])
def test_the_portable_function_sees_half_precision_only_if_it_takes_it(
    half: bool, computed: torch.dtype, device: torch.device
) -> None:
    seen = []

    def note(x: Tensor) -> Tensor:
        seen.append(x.dtype)
        return x

    operation = Operation("half", note, half=half)
    assert operation.on(device)(torch.zeros(1, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert seen == [computed]


def test_phases() -> None:
    a, b = Operation("a", portable), Operation("b", portable)
    assert by_phase((a,), (b,)) == {"training": (a,), "prefill": (a,), "decode": (b,)}
