"""Stand-ins for the slow parts of a search: a table made of numbers, training by formula, workers in the process."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from nas_search.errors import InputError
from nas_search.files import write_text_atomic
from nas_search.profiler.device import resolve_device
from nas_search.profiler.workload import Workload
from nas_search.search.config import SearchConfig
from nas_search.search.executors.base import JobEvent, JobFinished, JobProgress
from nas_search.search.jobs import Job, JobFunction, JobKind, Progress, run_job
from nas_search.search.run import run_search
from nas_search.search.study import Study
from nas_search.space.architecture import Architecture
from nas_search.space.search_space import SearchSpace, load_space

WORKLOAD = "decode:64"
VOCABULARY = 256
SPACE = """
name: small
stages: [early, late]
mixers: [a, m2, d]
ffn: f
ratios: ["0:1", "1:1", "1:2"]
ffns: [0, 1, between]
max_repeats: 3
interleave: [none, early-late]
widths: [32, 64, 96]
width: {width}
max_operators: 8
"""
TEXT = "The quick brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs.\n"


class Recorder:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, int | None]] = []
        self.steps: dict[str, int] = {}
        self.trials: list[Any] = []
        self.notes: list[str] = []

    def phase(self, name: str, total: int | None) -> None:
        self.phases.append((name, total))

    def advance(self, n: int = 1, text: str = "") -> None:
        name = self.phases[-1][0]
        self.steps[name] = self.steps.get(name, 0) + n

    def trial(self, record: Any) -> None:
        self.trials.append(record)

    def note(self, text: str) -> None:
        self.notes.append(text)


SMALL_EVOLUTION: dict[str, Any] = {
    "sampler": "evolution",
    "sampler_options": {"population": 4, "sample_size": 2, "cycle": 1},
}


class Bench:
    """A folder with everything that a small search needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.text = folder / "text.txt"
        self.text.write_text("".join(f"{i} {TEXT}" for i in range(600)))
        for width in ("gene", "derived"):
            (folder / f"{width}.yaml").write_text(SPACE.format(width=width))
        self.table = folder / "given.parquet"
        FakeTable.of(self.space()).save(self.table)

    def run(self, name: str, make_executor: Any = None, observer: Any = None, **fields: Any) -> Study:
        """A search in the folder ``name``, with fakes unless told otherwise."""
        return run_search(
            self.config(**fields),
            self.folder / name,
            observer or Recorder(),
            make_executor=make_executor or InlineExecutor,
        )

    def run_fragile(self, name: str, **fields: Any) -> tuple[Study, int, list[str]]:
        """A search whose driver dies in every fourth job of a sitting: its study, the deaths, and the jobs begun."""
        begun: list[str] = []

        class Fragile(InlineExecutor):
            def wait(self, timeout_seconds: float) -> Any:
                begun.append(self.queue[0].name)
                if len(self.done) == 3:
                    raise KeyboardInterrupt
                return super().wait(timeout_seconds)

        deaths = 0
        while True:
            try:
                return self.run(name, Fragile, **fields), deaths, begun
            except KeyboardInterrupt:
                deaths += 1

    def space(self, width: str = "gene") -> SearchSpace:
        return load_space(self.folder / f"{width}.yaml").with_vocabulary(VOCABULARY)

    def config(self, **fields: Any) -> SearchConfig:
        defaults = {
            "space": str(self.folder / "gene.yaml"),
            "workload": WORKLOAD,
            "data": str(self.text),
            "table": self.table,
            "trials": 6,
            "tokens": 9 * 16_384,
            "lowest_rung": 16_384,
            "workers": 1,
            "recipe": {"warmup_tokens": 2048},
            **({} if "sampler" in fields else SMALL_EVOLUTION),
        }
        return SearchConfig.checked(defaults | fields)


class FakeTable:
    """Stands in for a latency table: the cost of an operator follows from its place in the space and the width."""

    source = "table"

    def __init__(self, costs: dict[str, float], device_id: str) -> None:
        self.costs, self.device_id, self.clock = costs, device_id, "wall"

    @classmethod
    def of(cls, space: SearchSpace, scale: float = 1.0, device_id: str | None = None) -> "FakeTable":
        notations = [spec.notation for spec in space.operator_specs()]
        costs = {notation: scale * (index + 1) for index, notation in enumerate(notations)}
        return cls(costs, device_id or resolve_device("cpu").id)

    @classmethod
    def load(cls, path: Path) -> "FakeTable":
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError) as error:
            raise InputError(f"latency table {path}: {error}") from None

    def save(self, path: Path) -> None:
        write_text_atomic(path, json.dumps({"costs": self.costs, "device_id": self.device_id}))

    @property
    def hash(self) -> str:
        return hashlib.sha256(json.dumps(self.costs).encode()).hexdigest()

    @property
    def device(self) -> Any:
        return resolve_device("cpu")

    def predict(self, architecture: Architecture, workload: Workload) -> float:
        try:
            total = sum(self.costs[operator.notation] for operator in architecture.operators)
        except KeyError as error:
            raise InputError(f"latency table: no operator {error}") from None
        step_ms = architecture.width / 1000 * (2 + total)
        cached = workload.prompt * sum(operator.code == "a" for operator in architecture.operators)
        return {
            "decode": step_ms,
            "prefill": step_ms * workload.prompt / 64,
            "generate": step_ms * (workload.new_tokens + workload.prompt / 64),
            "throughput": 8000 / (step_ms + 1e-4 * cached),
            "memory": 4 * (architecture.parameters + architecture.width * cached) / 2**20,
            "energy": 0.1 + 3 * step_ms,
        }[workload.kind]

    def predict_many(self, architectures: Sequence[Architecture], workload: Workload) -> list[float]:
        return [self.predict(architecture, workload) for architecture in architectures]

    def require_device(self, device: Any) -> None:
        if device.id != self.device_id:
            raise InputError(f"latency table: recorded on {self.device_id}; this is {device.id}")

    def covers(self, operators: Any, widths: Any, workload: Any, **more: Any) -> list[str]:
        return [f"no operator {spec.notation}" for spec in operators if spec.notation not in self.costs]

    def check(self, workload: Workload) -> None:
        return None


def fake_loss(architecture: Architecture, tokens: int, seed: int = 0) -> float:
    """Bits per byte: better with parameters, kinds of mixers and tokens, plus a constant of the architecture."""
    kinds = len({operator.code for operator in architecture.operators})
    digest = hashlib.sha256(f"{architecture.notation} {seed}".encode()).digest()
    own = int.from_bytes(digest[:4]) / 2**32
    return 3.0 - 0.1 * math.log10(architecture.parameters) - 0.1 * kinds + 0.2 * own + 20.0 / math.sqrt(tokens)


def fake_train(arguments: Mapping[str, Any], run_dir: Path, progress: Progress) -> dict[str, Any]:
    """A rung's result by formula."""
    architecture = Architecture.parse(arguments["architecture"])
    tokens = arguments["rungs"][arguments["rung"]]
    progress(tokens, tokens)
    checkpoints = run_dir / arguments["checkpoints"]
    checkpoints.mkdir(parents=True, exist_ok=True)
    (checkpoints / "trunk").write_text("trunk")
    if arguments["weights"]:
        (run_dir / arguments["weights"]).write_text("weights")
    return {
        "rung": arguments["rung"],
        "tokens": tokens,
        "bits_per_byte": fake_loss(architecture, tokens, arguments["seed"]),
        "seconds": 1.0,
        "curve": [(tokens, 2.0)],
        "failure": None,
    }


def failing_train(arguments: Mapping[str, Any], run_dir: Path, progress: Progress) -> dict[str, Any]:
    """Every architecture with attention diverges."""
    result = fake_train(arguments, run_dir, progress)
    if " a" in arguments["architecture"] or "(a" in arguments["architecture"]:
        return result | {"bits_per_byte": None, "failure": "loss not finite at step 3"}
    return result


def fake_measure(arguments: Mapping[str, Any], run_dir: Path, progress: Progress) -> dict[str, Any]:
    """Five per cent over the prediction; half a millisecond for what the table does not cover."""
    table = FakeTable.load(run_dir / "table.parquet")
    workload = Workload.parse(arguments["workload"])
    return {"outcomes": [_measured(table, Architecture.parse(text), workload) for text in arguments["architectures"]]}


def _measured(table: FakeTable, architecture: Architecture, workload: Workload) -> dict[str, Any]:
    covered = all(operator.notation in table.costs for operator in architecture.operators)
    value = 1.05 * table.predict(architecture, workload) if covered else 0.5
    return {
        "value": value,
        "low": 0.99 * value,
        "high": 1.01 * value,
        "n": 9,
        "wall": value,
        "device": value,
        "clock": table.clock,
        "busy": False,
        "batch": workload.batch,
        "kernels": (),
        "device_id": table.device_id,
        "workload": str(workload),
        "unit": workload.unit,
        "precision": workload.precision,
    }


def fake_record(arguments: Mapping[str, Any], run_dir: Path, progress: Progress) -> dict[str, Any]:
    """The fake table."""
    FakeTable.of(SearchSpace.model_validate(arguments["space"])).save(run_dir / arguments["output"])
    return {}


def fake_accuracy(architecture: Architecture, task: str, seed: int) -> float:
    """Half, and more with attention or where a constant of the architecture says so; a needle is harder."""
    digest = hashlib.sha256(f"{architecture.notation} {task} {seed}".encode()).digest()
    attention = any(operator.code == "a" for operator in architecture.operators)
    return 0.5 + 0.3 * attention + 0.2 * int.from_bytes(digest[:4]) / 2**32 - 0.2 * (task != "recall")


def fake_recall(arguments: Mapping[str, Any], run_dir: Path, progress: Progress) -> dict[str, Any]:
    """A recall training's result by formula."""
    progress(arguments["steps"], arguments["steps"])
    accuracy = fake_accuracy(Architecture.parse(arguments["architecture"]), arguments["task"], arguments["seed"])
    return {"task": arguments["task"], "seed": arguments["seed"], "accuracy": accuracy, "seconds": 0.5}


FAKES: dict[JobKind, JobFunction] = {
    "train": fake_train,
    "recall": fake_recall,
    "measure": fake_measure,
    "record_table": fake_record,
}


class InlineExecutor:
    """Does jobs in this process. With an ``order`` seed, workers finish in any order."""

    def __init__(
        self, run_dir: Path, workers: int, *, functions: Mapping[JobKind, JobFunction] = FAKES, order: int | None = None
    ) -> None:
        self.run_dir, self.workers, self.functions = run_dir, workers, functions
        self.order = None if order is None else np.random.default_rng(order)
        self.queue: list[Job] = []
        self.done: list[Job] = []
        self.closed = False
        self.busy_seconds = 0.0

    def submit(self, job: Job) -> None:
        self.queue.append(job)

    def wait(self, timeout_seconds: float) -> list[JobEvent]:
        events: list[JobEvent] = []
        if self.queue:
            running = min(self.workers, len(self.queue))
            job = self.queue.pop(0 if self.order is None else int(self.order.integers(running)))
            failure = run_job(
                job,
                self.functions[job.kind],
                self.run_dir,
                lambda done, total: events.append(JobProgress(job.name, done, total)),
            )
            self.done.append(job)
            events.append(JobFinished(job.name, failure))
        return events

    def close(self) -> None:
        self.closed = True


def essence(study: Any) -> list[tuple[Any, ...]]:
    """What must be equal in two runs of the same search: everything but clock times."""
    return [
        (
            r.proposal_index,
            r.number,
            r.architecture,
            r.state,
            r.latency_ms,
            r.bits_per_byte,
            r.rung_scores,
            r.duplicate_of,
        )
        for r in study.records()
    ]


def executor_with(**functions: Any) -> Any:
    """Makes executors in this process with other job functions."""
    return lambda run_dir, workers: InlineExecutor(run_dir, workers, functions=FAKES | functions)


def few_members(bench: Bench, widths: list[int]) -> Path:
    """A space with one member for each width."""
    changes = {"mixers": ["a"], "ratios": ["0:1"], "ffns": [0], "max_repeats": 1, "max_operators": 1, "widths": widths}
    path = bench.folder / "few.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load((bench.folder / "gene.yaml").read_text()) | changes))
    return path
