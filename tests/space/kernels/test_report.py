"""What is said about kernels before anything runs."""

import subprocess
import sys

import pytest

from nas_search.errors import RunError
from nas_search.space.kernels.report import check_kernels, inference_kernels, kernel_uses
from nas_search.space.notation import parse_operator, parse_operators
from nas_search.space.operators.registry import operator_types

PACKAGES = {"flash_attn", "mamba_ssm", "selective_scan_cuda", "causal_conv1d", "fla"}
EVERY_OPERATOR = f"""
import sys
import torch
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM
from nas_search.space.operators.registry import operator_types

operators = [spec_type.model_validate({{}}) for spec_type in operator_types().values()]
model = HybridLM(Architecture(width=64, operators=operators))
tokens = torch.zeros(2, 70, dtype=torch.int64)
model.loss(tokens).backward()
with torch.inference_mode():
    state = model.new_state(2, 71)
    model.prefill(tokens, state)
    model.step(tokens[:, 0], state)
print(*sorted({PACKAGES!r} & set(sys.modules)))
"""


def check(notation: str, device: str, *, strict: bool = False, dtype: str = "bfloat16") -> list[str]:
    lines: list[str] = []
    check_kernels(parse_operators(notation), device, dtype=dtype, strict=strict, note=lines.append)
    return lines


def test_a_network_on_a_cpu_imports_no_kernel_package() -> None:
    done = subprocess.run([sys.executable, "-c", EVERY_OPERATOR], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_a_check_for_a_cpu_does_not_even_import_torch() -> None:
    code = (
        "import sys\n"
        "from nas_search.space.kernels.report import check_kernels\n"
        "from nas_search.space.notation import parse_operators\n"
        "check_kernels(parse_operators('a m2 f'), 'cpu', dtype='float32', strict=True, note=print)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.usefixtures("no_kernel_packages")
@pytest.mark.parametrize("code", operator_types())
def test_every_operator_tells_a_kernel_for_every_phase(code: str) -> None:
    for kind in ("cpu", "cuda"):
        uses = kernel_uses(parse_operator(code), kind, "bfloat16")
        assert {use.phase for use in uses} == {"training", "prefill", "decode"}
        assert {use.kernel for use in uses} == {"PyTorch"}
        assert all(use.falls_back == bool(use.why) == bool(use.packages) for use in uses)
        assert kind == "cuda" or not any(use.falls_back for use in uses)


@pytest.mark.usefixtures("no_kernel_packages")
def test_fallbacks_on_a_gpu_are_told_line_by_line() -> None:
    lines = check("a f a[kv=1]", "cuda:0")
    assert [line.partition(" runs in ")[0] for line in lines] == [
        "operator a, training: causal attention",
        "operator a, prefill: causal attention",
        "operator a, decode: attention over a cache",
        "operator a, decode: whole layer for one token",
        "operator f, decode: whole layer for one token",
    ]
    assert "PyTorch (flash-attn flash_attn_func: " in lines[0]
    assert lines[-1].endswith(" runs in separate operations (fused Triton kernels: triton is not installed)")


@pytest.mark.usefixtures("no_kernel_packages")
def test_strict_names_operator_phase_kernel_and_package() -> None:
    with pytest.raises(RunError, match=r"^operator m2, training: short convolution runs in PyTorch \(causal-conv1d"):
        check("m2 f", "cuda", strict=True)
    with pytest.raises(
        RunError, match=r"\(and 7 more\); --strict-kernels wants causal-conv1d, see 'nas-search doctor'$"
    ):
        check("m2 f", "cuda", strict=True)
    with pytest.raises(
        RunError, match=r"^operator f, decode: whole layer for one token .* --strict-kernels wants triton, see"
    ):
        check("f", "cuda", strict=True)


@pytest.mark.usefixtures("packages")
def test_nothing_is_said_where_the_fastest_kernels_run() -> None:
    assert check("a swa m2 f", "cuda", strict=True) == []


@pytest.mark.usefixtures("packages")
def test_the_number_format_matters() -> None:
    with pytest.raises(RunError, match="it does not take float32"):
        check("a", "cuda", strict=True, dtype="float32")


@pytest.mark.usefixtures("packages")
def test_what_has_no_gradient_is_told_for_training_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["fla.utils"], "IS_NVIDIA_HOPPER", True)
    (line,) = check("gd", "cuda")
    assert line.startswith("operator gd, training: gated delta rule runs in PyTorch (")


def test_nothing_is_said_about_a_cpu() -> None:
    assert check("a swa m2 f", "cpu", strict=True) == []


@pytest.mark.usefixtures("packages")
def test_kernels_of_inference() -> None:
    assert inference_kernels(parse_operators("a f a"), "cuda:1", "bfloat16") == (
        "flash-attn flash_attn_func",
        "flash-attn flash_attn_with_kvcache",
        "PyTorch",
    )
    assert inference_kernels(parse_operators("a m2"), "cpu", "float32") == ("PyTorch",)
