"""Bad input to a search: one line, exit code 2, and no run directory left behind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_fakes import table_for

from nas_search.profiler.device import Device, resolve_device

Cli = Callable[..., Any]
TEXT = "the quick brown fox jumps over the lazy dog\n" * 4000


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Files to give to a search, good and bad."""
    (tmp_path / "text.txt").write_text(TEXT)
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "binary.txt").write_bytes(np.random.default_rng(0).bytes(4096))
    (tmp_path / "bad.jsonl").write_text('{"text": "fine"}\n{"text": \n')
    (tmp_path / "unknown.yaml").write_text(
        "name: x\nmixers: [zz]\nratios: ['0:1']\nffns: [1]\nmax_repeats: 2\nwidths: [64]\nmax_operators: 4\n"
    )
    (tmp_path / "heads.yaml").write_text(
        "name: x\nmixers: ['a[heads=3]']\nratios: ['0:1']\nffns: [1]\nmax_repeats: 2\nwidths: [64]\nmax_operators: 4\n"
    )
    (tmp_path / "bad-config.yaml").write_text("trials: 0\n")
    device = resolve_device("cpu")
    table_for(device, tmp_path / "table.parquet")
    table_for(Device(name="cpu", fingerprint={**device.fingerprint, "cpu": "abacus"}), tmp_path / "other.parquet")
    data = (tmp_path / "table.parquet").read_bytes()
    (tmp_path / "truncated.parquet").write_bytes(data[: len(data) // 2])
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "abacus"], "unknown device 'abacus'"),
        (["--space", "nowhere"], "no search space 'nowhere'"),
        (["--space", "{files}/unknown.yaml"], "unknown operator 'zz'"),
        (["--space", "{files}/heads.yaml"], "heads=3 does not divide the width 64"),
        (["--sampler", "evolutoin"], "did you mean 'evolution'?"),
        (["--workload", "decode"], "workload 'decode'"),
        (["--latency-budget", "soon"], "soon"),
        (["--data", "{files}/missing.txt"], "missing.txt"),
        (["--data", "{files}/empty.txt"], "empty.txt"),
        (["--data", "{files}/binary.txt"], "binary.txt"),
        (["--data", "{files}/bad.jsonl"], "bad.jsonl, line 2"),
        (["--tokenizer", "morse"], "morse"),
        (["--trials", "0"], "trials"),
        (["--tokens", "-5"], "tokens"),
        (["--config", "{files}/missing.yaml"], "missing.yaml"),
        (["--config", "{files}/bad-config.yaml"], "trials"),
        (["--table", "{files}/missing.parquet"], "missing.parquet"),
        (["--table", "{files}/truncated.parquet"], "truncated.parquet"),
        (["--table", "{files}/other.parquet"], "abacus"),
        (["--table", "{files}/table.parquet", "--workload", "prefill:64"], "no prefill in float32 was recorded"),
        (["--table", "{files}/table.parquet", "--latency-budget", "0.5ms"], "the fastest"),
    ],
)
def test_one_line_exit_code_2_and_nothing_left(
    nas_search: Cli, files: Path, arguments: list[str], message: str
) -> None:
    run = files / "run"
    given = [argument.format(files=files) for argument in arguments]
    data = [] if "--data" in given else ["--data", str(files / "text.txt")]
    outcome = nas_search(*given, *data, "--run", run)
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.err.splitlines()[-1].startswith("nas-search: ")
    assert "Traceback" not in outcome.err
    assert not run.exists()


def test_a_run_directory_that_cannot_be_made(nas_search: Cli, files: Path) -> None:
    outcome = nas_search("--data", files / "text.txt", "--run", files / "text.txt" / "run")
    assert outcome.code == 2
    assert "text.txt" in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_folder_with_something_else_is_left_alone(nas_search: Cli, files: Path) -> None:
    outcome = nas_search("--data", files / "text.txt", "--run", files)
    assert outcome.code == 2
    assert (files / "table.parquet").exists()


def test_resuming_what_is_no_run(nas_search: Cli, files: Path) -> None:
    outcome = nas_search("resume", files)
    assert outcome.code == 2
    assert "not a run directory" in outcome.err


def test_a_table_is_shown_with_every_option_of_its_operators(nas_search: Cli, files: Path) -> None:
    outcome = nas_search("table", "show", files / "table.parquet")
    assert outcome.code == 0
    assert "swa[window=64]" in outcome.out
    assert "w256" in outcome.out
