"""The command line in this process: faster than a subprocess, and the same code."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / folder) for folder in ("profiler", "results", "search/bench"))]


class Outcome(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document on the last line."""
        document: dict[str, Any] = json.loads(self.out.strip().rpartition("\n")[2])
        return document


@pytest.fixture
def two_gpus(no_kernel_packages: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two GPUs, one of them an H100, and no kernel package."""
    from cuda_fakes import H100, FakeDriver

    gpus = (H100, H100._replace(name="Abacus 1"))
    monkeypatch.setattr("nas_search.profiler.cuda.torch_driver.TorchDriver", lambda: FakeDriver(gpus))


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any."""
    from cuda_fakes import FakeDriver

    monkeypatch.setattr("nas_search.profiler.cuda.torch_driver.TorchDriver", lambda: FakeDriver(()))


@pytest.fixture
def nas_search(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs ``nas-search`` with the given arguments."""
    from nas_search.cli.main import main

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["nas-search", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        return Outcome(int(caught.value.code or 0), captured.out, captured.err)

    return run
