"""``nas-search doctor``, and ``--strict-kernels`` wherever it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas_search.api import default_run_directory
from nas_search.search.config import SearchConfig
from nas_search.space.kernels.fused.choice import FUSED_OPERATORS
from nas_search.space.kernels.report import KernelUse
from nas_search.space.operators.registry import operator_types

Cli = Callable[..., Any]
PHASES = {"training", "prefill", "decode"}


@pytest.fixture
def triton(two_gpus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Triton is there nevertheless."""
    monkeypatch.setattr("nas_search.space.kernels.fused.choice.find_spec", lambda name: name)


@pytest.mark.usefixtures("no_gpu")
def test_on_a_cpu_everything_is_pytorch(nas_search: Cli) -> None:
    outcome = nas_search("doctor", "--strict-kernels", "--json")
    assert outcome.code == 0
    document = outcome.document
    assert [device["name"] for device in document["devices"]] == ["cpu"]
    assert {kernel["kernel"] for kernel in document["kernels"]} == {"PyTorch"}
    assert not any(kernel["refused"] for kernel in document["kernels"])
    phases = {(kernel["operator"], kernel["phase"]) for kernel in document["kernels"]}
    assert phases == {(code, phase) for code in operator_types() for phase in PHASES}


@pytest.mark.usefixtures("no_gpu")
def test_versions_of_everything_that_matters(nas_search: Cli) -> None:
    versions = nas_search("doctor", "--json").document["versions"]
    assert {"torch", "triton", "flash-attn", "mamba-ssm", "causal-conv1d", "flash-linear-attention"} <= versions.keys()
    assert versions["torch"][0].isdigit()
    assert versions["causal-conv1d"] == "none" or versions["causal-conv1d"][0].isdigit()


def whole_layers(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """What is said of steps of whole layers, by device and operator."""
    found = [kernel for kernel in document["kernels"] if kernel["operation"] == "whole layer for one token"]
    assert {kernel["phase"] for kernel in found} == {"decode"}
    return {(kernel["device"], kernel["operator"]): kernel for kernel in found}


@pytest.mark.usefixtures("two_gpus")
def test_every_device_is_told_with_the_reasons(nas_search: Cli) -> None:
    document = nas_search("doctor", "--json").document
    assert [device["name"] for device in document["devices"]] == ["cpu", "cuda:0", "cuda:1"]
    decode, _ = [
        kernel
        for kernel in document["kernels"]
        if (kernel["device"], kernel["operator"], kernel["phase"]) == ("cuda:1", "a", "decode")
    ]
    assert decode["kernel"] == "PyTorch"
    assert list(decode["refused"]) == ["flash-attn flash_attn_with_kvcache"]
    assert decode["packages"] == ["flash-attn"]


@pytest.mark.usefixtures("two_gpus", "triton")
def test_fused_steps_are_told_for_every_gpu(nas_search: Cli) -> None:
    steps = whole_layers(nas_search("doctor", "--json").document)
    assert set(steps) == {(gpu, code) for gpu in ("cuda:0", "cuda:1") for code in FUSED_OPERATORS}
    for step in steps.values():
        assert step["kernel"] == "fused Triton kernels, if timed faster at a layer's first step"
        assert not step["refused"]


@pytest.mark.usefixtures("two_gpus")
def test_without_triton_no_step_is_fused(nas_search: Cli) -> None:
    steps = whole_layers(nas_search("doctor", "--json").document)
    assert ("cuda:1", "f") in steps
    for step in steps.values():
        assert step["kernel"] == "separate operations"
        assert step["refused"] == {"fused Triton kernels": "triton is not installed"}
        assert step["packages"] == ["triton"]


@pytest.mark.usefixtures("two_gpus", "triton")
def test_fused_steps_are_told_to_people(nas_search: Cli) -> None:
    lines = nas_search("doctor").out.splitlines()
    assert any("whole layer" in line and "fused Triton kernels" in line for line in lines)


@pytest.mark.usefixtures("two_gpus")
def test_for_people(nas_search: Cli) -> None:
    outcome = nas_search("doctor")
    assert outcome.code == 0
    assert "cuda:1: abacus-1 (Abacus 1; driver 580.1; CUDA 13.0;" in outcome.out
    assert "training, prefill" in outcome.out
    assert "flash_attn_with_kvcache" in outcome.out


@pytest.mark.usefixtures("two_gpus")
def test_strict_fails_after_the_report(nas_search: Cli) -> None:
    outcome = nas_search("doctor", "--strict-kernels", "--json")
    assert outcome.code == 1
    assert outcome.document["devices"]
    assert outcome.err.startswith("nas-search: operator a, training: causal attention runs in PyTorch")
    assert outcome.err.count("\n") == 1


def test_a_number_format_that_there_is_not(nas_search: Cli) -> None:
    outcome = nas_search("doctor", "--dtype", "float8")
    assert outcome.code == 2
    assert "float8" in outcome.err


@pytest.mark.usefixtures("two_gpus")
def test_a_strict_profile_on_a_gpu_without_kernels_fails(nas_search: Cli) -> None:
    outcome = nas_search("profile", "w64 m2 f", "--device", "cuda:1", "--strict-kernels")
    assert outcome.code == 1
    assert "operator m2, training: short convolution runs in PyTorch" in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.usefixtures("two_gpus")
def test_a_strict_search_on_a_gpu_without_kernels_does_not_begin(nas_search: Cli, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 4000)
    run = tmp_path / "run"
    outcome = nas_search("--device", "cuda:1", "--strict-kernels", "--data", tmp_path / "text.txt", "--run", run)
    assert outcome.code == 1
    assert "--strict-kernels wants" in outcome.err
    assert not run.exists()


def test_strictness_does_not_make_it_another_search() -> None:
    plain, strict = SearchConfig(), SearchConfig(strict_kernels=True)
    assert default_run_directory(plain) == default_run_directory(strict)
    assert strict.conflict_with(plain) is None
    assert SearchConfig.from_yaml(strict.to_yaml(), "text").strict_kernels


def test_brackets_in_a_reason_are_no_markup(nas_search: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    uses = "nas_search.space.kernels.report.kernel_uses"
    broken = KernelUse(
        operator="a",
        phase="decode",
        operation="attention",
        kernel="PyTorch",
        refused={"some kernel": "undefined symbol [abi:cxx11] [/usr/lib/x.so]"},
        packages=(),
    )
    monkeypatch.setattr(uses, lambda *_: [broken])
    output = "".join(nas_search("doctor").out.split())
    assert "[abi:cxx11][/usr/lib/x.so]" in output
