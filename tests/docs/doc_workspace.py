"""A folder in which the documents' commands find what they talk about, and stand-ins for what takes minutes."""

import re
import shutil
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from cli_fakes import table_for
from doc_pages import ROOT, blocks, pages
from safetensors.torch import save_file
from study_maker import make_study

from nas_search.profiler.device import resolve_device
from nas_search.results.winner import write_winner
from nas_search.search.config import SearchConfig
from nas_search.search.goals import Goals
from nas_search.search.study import Study
from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM
from nas_search.space.search_space import load_space

RUNS = ("cpu", "a")
"""Names in ``runs/`` of searches that are done where the documents speak of them; all are the same small study."""

TABLES = {"h100": ("cuda", "generate:8192"), "cpu": ("cpu", "decode:256"), "one": ("cpu", "decode:256"),
          "two": ("cpu", "prefill:256"), "more": ("cpu", "prefill:256"), "my": ("cpu", "decode:256")}  # fmt: skip
"""Latency tables that lie there, by the name of the file: device and workload."""

DATA = ("losses.csv", "second.yaml")
"""Files that lie there as well: what would write them takes minutes, or comes later on the page."""

DEAR = (
    "nas_search.profiler.record.record_table",
    "nas_search.profiler.checking.check_table",
    "nas_search.profiler.compare.compare",
    "nas_search.profiler.isolated.measure_isolated",
    "nas_search.search.bench.run.run_benchmark",
    "nas_search.search.planning.plan.make_plan",
    "nas_search.search.network_latency.latencies_from",
    "nas_search.results.evaluation.evaluate.evaluate_network",
    "nas_search.results.train.train_plan",
    "nas_search.proxies.recall.measure_recall",
    "nas_search.proxies.zero_cost.zero_cost_proxies",
    "nas_search.results.export.onnx.graphs.prefill_graph",
    "nas_search.results.dashboard.server.make_server",
)
"""What measures, trains, traces or serves: a command that gets there has read its options, files and names."""

NEEDS_GPU = re.compile(r"\.to\(\"cuda\"|device=\"cuda\"")
"""Python snippets that put tensors on a GPU are compiled, and what they import is looked up."""


class GotThere(BaseException):
    """A command came to what takes minutes."""


def make_workspace(folder: Path) -> Path:
    """Runs, tables, and the files that documents show under a title."""
    first = folder / "runs" / RUNS[0]
    first.mkdir(parents=True)
    study = make_study(first, lowest_rung=65_536)  # two rungs, as many as its trials have losses
    _save_weights(study)
    write_winner(study)
    for name in RUNS[1:]:
        shutil.copytree(first, folder / "runs" / name)
    for name, (device, workload) in TABLES.items():
        table_for(resolve_device(device), folder / f"{name}.parquet", workload)
    for path in pages():
        for block in blocks(path):
            if block.file is not None:
                (folder / block.file).write_text(block.text, encoding="utf-8")
    losses, space = (folder / name for name in DATA)
    losses.write_text("\n".join(_losses()))
    shutil.copy(ROOT / "space" / "spaces" / "cpu.yaml", space)
    (folder / "experiments").symlink_to(ROOT / "experiments")
    return folder


def _losses() -> Iterator[str]:
    """A table for the scaling law, by formula."""
    yield "depth,width,tokens,loss"
    for depth, width, tokens in product((2, 4, 8, 12), (64, 128, 256), (10_000, 30_000, 90_000)):
        yield f"{depth},{width},{tokens},{1 + 0.5 / depth + 8 / width**0.8 + 16 / tokens**0.15:.4f}"


def stand_in(monkeypatch: pytest.MonkeyPatch, workspace: Path) -> None:
    """Put something cheap in the place of what takes minutes: a search is checked, and gives the small study."""

    def got_there(*_: Any, **__: Any) -> None:
        raise GotThere

    for name in DEAR:
        monkeypatch.setattr(name, got_there)
    monkeypatch.setattr("nas_search.api.run_study", _search_that_is_done(workspace))


def _search_that_is_done(workspace: Path) -> Callable[..., Study]:
    def run_study(config: SearchConfig, directory: Path, observer: object) -> Study:
        Goals.of(config)
        load_space(config.space)
        for run in config.warm_start:
            Study.open(run)
        assert config.table is None or config.table.is_file(), f"no table {config.table}"
        return Study.open(workspace / "runs" / RUNS[0])

    return run_study


def _save_weights(study: Study) -> None:
    """What training would have left of the confirmed trials."""
    for record in study.confirmed_front():
        assert record.confirmed is not None
        path = study.run_dir / record.confirmed.best.weights
        path.parent.mkdir(exist_ok=True)
        model = HybridLM(Architecture.parse(record.trained_as))
        save_file({name: weight.detach().contiguous() for name, weight in model.named_parameters()}, path)
