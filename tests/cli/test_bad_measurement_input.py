"""Bad input to whatever measures: one line, exit code 2, and nothing left behind."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_fakes import table_for

from nas_search.profiler.device import Device, resolve_device

Cli = Callable[..., Any]
PAIR = ("w32 a", "w32 f")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Tables, good and bad."""
    device = resolve_device("cpu")
    table_for(device, tmp_path / "table.parquet")
    table_for(Device(name="cpu", fingerprint={**device.fingerprint, "cpu": "abacus"}), tmp_path / "other.parquet")
    table_for(Device(name="h100", fingerprint={"kind": "cuda", "gpu": "H100"}), tmp_path / "h100.parquet")
    data = (tmp_path / "table.parquet").read_bytes()
    (tmp_path / "truncated.parquet").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.parquet").write_text("no table at all")
    (tmp_path / "other-space.yaml").write_text(
        "name: x\nmixers: [r7]\nratios: ['1:1']\nffns: [1]\nmax_repeats: 2\nwidths: [64]\nmax_operators: 4\n"
    )
    return tmp_path


@pytest.fixture
def in_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def one_line(outcome: Any, message: str, code: int = 2) -> None:
    assert outcome.code == code
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert outcome.err.startswith("nas-search: ")
    assert outcome.out == ""


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(
    "command", [("profile", "w32 a"), ("compare", *PAIR), ("table", "record", "--out", "t.parquet")]
)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--device", "abacus"), "unknown device 'abacus': this machine has 'cpu'"),
        (("--device", "cuda"), "unknown device 'cuda'"),
        (("--device", "h100"), "unknown device 'h100'"),
        (("--workload", "juggle:3"), "workload 'juggle:3': not one of decode:256"),
        (("--workload", "decode:0"), "workload 'decode:0': prompt:"),
        (("--workload", "prefill:0"), "workload 'prefill:0': prompt:"),
        (("--workload", "generate:0,prompt=8"), "new_tokens=0 makes no sense for generate"),
        (("--workload", "decode:256,batch=0"), "workload 'decode:256,batch=0': batch:"),
        (("--workload", "decode:256,batch=many"), "batch='many' is not a whole number"),
        (("--workload", "decode:256,batch=65537"), "workload 'decode:256,batch=65537': batch:"),
        (("--workload", "throughput:256,prompt=3"), "'prompt=3' is not an option of throughput"),
        (("--workload", "decode:256,dtype=float8"), "workload 'decode:256,dtype=float8': dtype:"),
        (("--workload", "decode:99999999999999999999"), "workload 'decode:99999999999999999999': prompt:"),
    ],
)
def test_devices_and_workloads(
    nas_search: Cli, in_empty: Path, command: tuple[str, ...], options: tuple[str, ...], message: str
) -> None:
    one_line(nas_search(*command, *options), message)
    assert not list(in_empty.iterdir())


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("compare", "w32 a"), "two or more"),
        (("compare",), "ARCH"),
        (("compare", *PAIR, "w32 (a)x1"), "architectures 1 and 3 are the same, w32 a"),
        (("compare", *PAIR, "w32 zz"), "unknown operator 'zz'"),
        (("compare", *PAIR, "quen3-0.6b"), "qwen3-0.6b"),
        (("table", "check", "{files}/missing.parquet"), "missing.parquet"),
        (("table", "check", "{files}/truncated.parquet"), "truncated.parquet: not a readable parquet file"),
        (("table", "show", "{files}/truncated.parquet"), "truncated.parquet: not a readable parquet file"),
        (("table", "show", "{files}/text.parquet"), "text.parquet: not a readable parquet file"),
        (("table", "check", "{files}/other.parquet"), "abacus"),
        (("table", "check", "{files}/h100.parquet"), "unknown device 'h100'"),
        (("table", "check", "{files}/h100.parquet", "--device", "cpu"), "recorded on h100-"),
        (("table", "check", "{files}/table.parquet", "--device", "abacus"), "unknown device 'abacus'"),
        (("table", "check", "{files}/table.parquet", "--space", "nowhere"), "no search space 'nowhere'"),
        (("table", "check", "{files}/table.parquet", "--space", "{files}/other-space.yaml"), "latency table: no "),
        (("table", "check", "{files}/table.parquet", "--networks", "3"), "networks"),
        (("table", "merge", "{files}/table.parquet", "--out", "{files}/new"), "TABLE"),
        (
            ("table", "merge", "{files}/table.parquet", "{files}/truncated.parquet", "--out", "{files}/new"),
            "truncated.parquet",
        ),
        (
            ("table", "merge", "{files}/table.parquet", "{files}/other.parquet", "--out", "{files}/new"),
            "their devices differ",
        ),
        (("table", "merge", "{files}/table.parquet", "{files}/table.parquet", "--out", "{files}"), "not a file"),
        (("table", "record", "--out", "{files}"), "not a file that can be replaced"),
        (("table", "record", "--out", "{files}/nowhere/new"), "there is no folder"),
        (("table", "record", "--out", "{files}/table.parquet/new"), "there is no folder"),
        (("table", "record", "--out", "{files}/new", "--space", "nowhere"), "no search space 'nowhere'"),
    ],
)
def test_architectures_tables_and_targets(
    nas_search: Cli, files: Path, arguments: tuple[str, ...], message: str
) -> None:
    before = sorted(files.iterdir())
    one_line(nas_search(*(argument.format(files=files) for argument in arguments)), message)
    assert sorted(files.iterdir()) == before


def test_a_folder_that_may_not_be_written(nas_search: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    one_line(nas_search("table", "record", "--out", tmp_path / "t.parquet"), "nothing can be written into")


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("command", [("profile", "w32 a"), ("compare", "w32 a", "w64 a", "--workload", "memory:16")])
def test_a_batch_that_does_not_fit_is_told_before_anything_is_measured(
    nas_search: Cli, command: tuple[str, ...]
) -> None:
    one_line(
        nas_search(*command, "--workload", "decode:1048576,batch=65536"),
        "not 65536 sequences of 1048577 tokens can be held",
    )


@pytest.mark.usefixtures("no_gpu")
def test_a_prompt_that_does_not_fit_is_a_failure_of_one_line(nas_search: Cli) -> None:
    outcome = nas_search("profile", "w32 a", "--workload", "memory:1048576,batch=65536")
    one_line(outcome, "not 65536 sequences of 1048576 tokens can be held", code=1)
