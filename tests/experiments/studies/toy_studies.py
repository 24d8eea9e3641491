"""Studies of experiments/ at toy scale, and shards whose losses are made up."""

import importlib
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from nas_search.search.executors.base import JobEvent, JobFinished, JobProgress
from nas_search.search.job_functions import train
from nas_search.search.jobs import Job, run_job
from nas_search.space.architecture import Architecture

EXPERIMENTS = Path(__file__).parents[3] / "experiments"
TOY_RECIPE = {"sequence_length": 8, "batch": 2, "warmup_tokens": 0, "validation_tokens": 64}


class InlineExecutor:
    """Does jobs in this process, one each time that somebody waits; the one with number ``stop_at`` is interrupted."""

    def __init__(self, run_dir: Path, workers: int, stop_at: int | None = None) -> None:
        self.run_dir, self.left = run_dir, stop_at
        self.queue: list[Job] = []
        self.busy_seconds = 0.0

    def submit(self, job: Job) -> None:
        self.queue.append(job)

    def wait(self, timeout_seconds: float) -> list[JobEvent]:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left = None if self.left is None else self.left - 1
        job = self.queue.pop(0)
        events: list[JobEvent] = []
        failure = run_job(
            job, train, self.run_dir, lambda done, total: events.append(JobProgress(job.name, done, total))
        )
        return [*events, JobFinished(job.name, failure)]

    def close(self) -> None:
        self.queue.clear()


def toy_text(path: Path) -> Path:
    path.write_text("".join(f"{index % 10} little ducks went out one day\n" for index in range(600)))
    return path


def copied(name: str, target: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A study's folder without its records, with another config."""
    folder = target / name
    shutil.copytree(EXPERIMENTS / name, folder, ignore=shutil.ignore_patterns("recorded", "__pycache__"))
    config = yaml.safe_load((folder / "config.yaml").read_text())
    change(config)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return folder


def tiny(notation: str) -> str:
    """The first two operators, as narrow as they get."""
    return Architecture(width=32, operators=Architecture.parse(notation).operators[:2]).notation


def load(name: str) -> ModuleType:
    return importlib.import_module(name)


def trained(folder: Path, *options: str, stop_at: int | None = None) -> None:
    executor = partial(InlineExecutor, stop_at=stop_at)
    load("train").main([str(folder), "--work", str(folder.parent / "work"), *options], executor)


def analysed(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    out = folder.parent / "page.html"
    load("analyse").main([str(folder), "--out", str(out)])
    assert out.read_text().startswith("<!doctype html>")
    document: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return document


def shards_of(folder: Path) -> dict[str, Any]:
    """What was scored, without what differs from time to time."""
    found = {}
    for path in (folder / "recorded" / "trainings").glob("*.json"):
        document = json.loads(path.read_text())
        found[path.stem] = [score["bits_per_byte"] for score in document["scores"]]
    return found
